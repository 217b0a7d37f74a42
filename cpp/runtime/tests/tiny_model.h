#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "sha256.h"

namespace yolo_edge::testing {

/// A bundle for ncnn in a temporary folder: one convolution of 8x8 pixels and stride 8, one anchor, two
/// classes. Its weights are random but known, so that a test can compute its head by hand.
class TinyModel {
  public:
    static constexpr int stride = 8;
    static constexpr int channels = 5 + 2;
    static constexpr int inputs = 3;

    TinyModel() {
        std::string pattern = (std::filesystem::temp_directory_path() / "yolo_edge_XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder");
        folder_ = pattern;
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        for (int i = 0; i < channels * inputs * stride * stride; ++i) weights.push_back(normal(random) / 4);
        for (int i = 0; i < channels; ++i) biases.push_back(normal(random));

        write("m.param",
              "7767517\n2 2\nInput in0 0 1 in0\nConvolution conv 1 1 in0 out0 0=7 1=8 3=8 5=1 6=1344\n");
        std::string bytes(4, '\0');  // 0: the weights that follow are float32
        const auto append = [&bytes](const std::vector<float>& values) {
            bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
        };
        append(weights);
        append(biases);
        write("m.bin", bytes);
        write_manifest("in0", "out0", "\"dynamic\"");
    }
    ~TinyModel() { std::filesystem::remove_all(folder_); }
    TinyModel(const TinyModel&) = delete;
    TinyModel& operator=(const TinyModel&) = delete;

    const std::string& folder() const { return folder_; }

    void write_manifest(const std::string& input, const std::string& output, const std::string& shapes) {
        const auto hash = [this](const std::string& name) { return sha256_of_file(folder_ + "/" + name); };
        write(
            "bundle.json",
            R"({"schema": 1, "requires": [], "model": {"family": "yolov5", "task": "detect", "names": ["a", "b"]},)"
            R"( "input": {"channels": "rgb", "mean": [0, 0, 0], "scale": [0.00392156862745098, 0.00392156862745098,)"
            R"( 0.00392156862745098], "pad_value": 114, "letterbox": "rect", "size_hw": [64, 64], "stride": 8},)"
            R"( "heads": [{"stride": 8, "anchors_px": [[10, 13]]}], "targets": [{"engine": "ncnn", "weights": "fp32",)"
            R"( "compute": ["fp32", "bf16"], "files": {"param": "m.param", "bin": "m.bin"}, "sha256": {"m.param": ")" +
                hash("m.param") + R"(", "m.bin": ")" + hash("m.bin") + R"("}, "input": {"name": ")" + input +
                R"(", "dtype": "float32", "layout": "chw", "shapes": )" + shapes +
                R"(}, "outputs": [{"name": ")" + output +
                R"(", "head": 0, "layout": "c,h,w", "activation": "none", "dtype": "float32"}]}]})");
    }

    void write(const std::string& name, const std::string& bytes) const {
        std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    }

    /// The head for a tensor of 3 x height x width, by hand.
    std::vector<float> head(const float* tensor, int height, int width) const {
        const int ny = height / stride;
        const int nx = width / stride;
        std::vector<float> result;
        for (int channel = 0; channel < channels; ++channel) {
            for (int y = 0; y < ny; ++y) {
                for (int x = 0; x < nx; ++x) result.push_back(cell(tensor, height, width, channel, y, x));
            }
        }
        return result;
    }

    std::vector<float> weights;
    std::vector<float> biases;

  private:
    float cell(const float* tensor, int height, int width, int channel, int y, int x) const {
        double sum = biases[static_cast<std::size_t>(channel)];
        for (int input = 0; input < inputs; ++input) {
            for (int v = 0; v < stride; ++v) {
                for (int u = 0; u < stride; ++u) {
                    const int weight = ((channel * inputs + input) * stride + v) * stride + u;
                    const int pixel = (input * height + y * stride + v) * width + x * stride + u;
                    sum += static_cast<double>(weights[static_cast<std::size_t>(weight)]) *
                           static_cast<double>(tensor[pixel]);
                }
            }
        }
        return static_cast<float>(sum);
    }

    std::string folder_;
};

}  // namespace yolo_edge::testing
