#pragma once

#include <cstdint>
#include <memory>

#include "yolo_edge/image.h"
#include "yolo_edge/letterbox_geometry.h"
#include "yolo_edge/normalization.h"
#include "yolo_edge/simd.h"

namespace yolo_edge {

/// Resizes, pads, reorders and normalises an image into a planar tensor in one pass.
///
/// The result is bit-identical to x86 `cv2.resize(INTER_LINEAR)` + `cv2.copyMakeBorder` + numpy's
/// normalisation, on every machine. Owns its tables and two working rows: nothing is allocated after the
/// first frame of a size. An object serves one thread at a time.
class Letterbox {
  public:
    /// Throws std::invalid_argument when a normalised value is not finite or the SIMD level does not run
    /// here.
    explicit Letterbox(const Normalization& normalization = {}, SimdLevel simd = best_simd_level());
    ~Letterbox();
    Letterbox(Letterbox&&) noexcept;
    Letterbox& operator=(Letterbox&&) noexcept;

    const Normalization& normalization() const { return normalization_; }

    /// Writes the float32 tensor, 3 x tensor.height x tensor.width, normalised.
    ///
    /// `geometry` comes from letterbox_geometry for this image's size; otherwise std::invalid_argument.
    void run(const ImageView& image, const LetterboxGeometry& geometry, float* out);

    /// Writes the uint8 tensor, 3 x tensor.height x tensor.width: channel order and padding, no
    /// normalisation.
    void run(const ImageView& image, const LetterboxGeometry& geometry, std::uint8_t* out);

  private:
    struct State;
    template <typename T>
    void run_any(const ImageView& image, const LetterboxGeometry& geometry, T* out);

    Normalization normalization_;
    std::unique_ptr<State> state_;
};

}  // namespace yolo_edge
