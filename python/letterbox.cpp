#include "yolo_edge/letterbox.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>

#include "arrays.h"
#include "image.h"
#include "register.h"
#include "simd.h"

namespace py = pybind11;

namespace yolo_edge {
namespace {

/// A Letterbox that Python threads may share: calls queue, because the buffers serve one call at a time.
class SharedLetterbox {
  public:
    SharedLetterbox(const Normalization& normalization, SimdLevel simd) : letterbox_(normalization, simd) {}

    const Normalization& normalization() const { return letterbox_.normalization(); }

    void run(const py::array& image, const LetterboxGeometry& geometry, py::array& out,
             const std::string& image_channels) {
        const ImageArgument source = image_argument(image, channel_order("image_channels", image_channels));
        check_out(out, geometry.tensor);
        if (has_dtype<float>(out)) {
            run_into(source.view, geometry, static_cast<float*>(out.mutable_data()));
        } else {
            run_into(source.view, geometry, static_cast<std::uint8_t*>(out.mutable_data()));
        }
    }

  private:
    template <typename T>
    void run_into(const ImageView& image, const LetterboxGeometry& geometry, T* out) {
        const py::gil_scoped_release unlocked;
        const std::lock_guard<std::mutex> queue(mutex_);
        letterbox_.run(image, geometry, out);
    }

    static void check_out(const py::array& out, SizeHW tensor) {
        const bool batched = out.ndim() == 4 && out.shape(0) == 1;
        const py::ssize_t axis = batched ? 1 : 0;
        const bool usable =
            (has_dtype<float>(out) || has_dtype<std::uint8_t>(out)) && (out.ndim() == 3 || batched) &&
            out.shape(axis) == 3 && out.shape(axis + 1) == tensor.height &&
            out.shape(axis + 2) == tensor.width && (out.flags() & py::array::c_style) != 0 &&
            out.writeable() &&
            reinterpret_cast<std::uintptr_t>(out.data()) % static_cast<std::size_t>(out.itemsize()) == 0;
        if (!usable) {
            const std::string sides =
                std::to_string(tensor.height) + ", " + std::to_string(tensor.width) + ")";
            throw std::invalid_argument("out is " + describe(out) +
                                        "; it must be a writable C-contiguous float32 or " +
                                        "uint8 array of shape (3, " + sides + " or (1, 3, " + sides);
        }
    }

    std::mutex mutex_;
    Letterbox letterbox_;
};

}  // namespace

void register_letterbox(py::module_& m) {
    const Normalization defaults;
    const auto as_tuple = [](const std::array<double, 3>& values) {
        return py::make_tuple(values[0], values[1], values[2]);
    };
    py::class_<SharedLetterbox>(m, "Letterbox",
                                R"(Resizes, pads, reorders and normalises images into planar tensors.

Owns its working memory: after the first image of a size nothing is allocated. Threads may share an object; their
calls queue.

Args:
    tensor_channels: Order of the tensor's planes, 'rgb' or 'bgr'.
    mean: Subtracted from the grey levels (0..255), per plane of the tensor.
    scale: Multiplied afterwards, per plane.
    pad_value: Grey level of the padding, 0..255, before normalisation.
    simd: One of `simd_levels()`, None for the fastest; the result is the same.

Raises:
    ValueError: An unknown channel order, or a normalised value that is not finite.

Example:
    >>> import numpy
    >>> frame = numpy.zeros((720, 1280, 3), numpy.uint8)
    >>> geometry = letterbox_geometry((720, 1280), size_hw=(640, 640), stride=32)
    >>> tensor = numpy.empty((1, 3, *geometry.tensor_hw), numpy.float32)
    >>> Letterbox().run(frame, geometry, tensor)
    >>> tensor.shape, float(tensor[0, 0, 0, 0]) == float(numpy.float32(114) / numpy.float32(255))
    ((1, 3, 384, 640), True))")
        .def(py::init([](const std::string& tensor_channels, const std::array<double, 3>& mean,
                         const std::array<double, 3>& scale, int pad_value,
                         const std::optional<std::string>& simd) {
                 if (pad_value < 0 || pad_value > 255) {
                     throw std::invalid_argument("pad_value is " + std::to_string(pad_value) +
                                                 "; it must be in 0..255");
                 }
                 Normalization normalization;
                 normalization.channels = channel_order("tensor_channels", tensor_channels);
                 normalization.mean = mean;
                 normalization.scale = scale;
                 normalization.pad_value = static_cast<std::uint8_t>(pad_value);
                 return std::make_unique<SharedLetterbox>(normalization, simd_level(simd));
             }),
             py::kw_only(), py::arg("tensor_channels") = name_of(defaults.channels),
             py::arg("mean") = as_tuple(defaults.mean), py::arg("scale") = as_tuple(defaults.scale),
             py::arg("pad_value") = static_cast<int>(defaults.pad_value), py::arg("simd") = py::none())
        .def("run", &SharedLetterbox::run, py::arg("image"), py::arg("geometry"), py::arg("out"),
             py::kw_only(), py::arg("image_channels") = name_of(ImageView{}.order),
             R"(Writes one image into `out`, in place.

The bits are those of x86 `cv2.resize(INTER_LINEAR)`, `cv2.copyMakeBorder` and numpy's
`(x - mean) * scale` in float64 rounded to float32 (for scale 1/255: `x.astype(float32) / 255`), on every machine.

Args:
    image: uint8 (height, width, 3). Any row stride, so crops and flipped rows cost nothing; a view whose three channels
        are not next to each other (`image[..., ::-1]`) is copied first.
    geometry: From `letterbox_geometry` for this image's size.
    out: C-contiguous (3, H, W) or (1, 3, H, W) with (H, W) = geometry.tensor_hw. float32 receives normalised values,
        uint8 the grey levels.
    image_channels: Order of the image's channels, 'bgr' (OpenCV) or 'rgb'.

Raises:
    ValueError: An array of another type, shape or layout, or a geometry for another size.)")
        .def("__repr__", [as_tuple](const SharedLetterbox& self) {
            const Normalization& n = self.normalization();
            return py::str("Letterbox(tensor_channels='{}', mean={}, scale={}, pad_value={})")
                .format(name_of(n.channels), as_tuple(n.mean), as_tuple(n.scale),
                        static_cast<int>(n.pad_value));
        });
}

}  // namespace yolo_edge
