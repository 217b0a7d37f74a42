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

/// A bundle for one engine in a temporary folder: one convolution of 8x8 pixels and stride 8, one anchor, two
/// classes. Its weights are random but known, so that a test can compute its head by hand.
class TinyModel {
  public:
    static constexpr int stride = 8;
    static constexpr int channels = 5 + 2;
    static constexpr int inputs = 3;

    explicit TinyModel(std::string engine = "ncnn") : engine_(std::move(engine)) {
        std::string pattern = (std::filesystem::temp_directory_path() / "yolo_edge_XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder");
        folder_ = pattern;
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        for (int i = 0; i < channels * inputs * stride * stride; ++i) weights.push_back(normal(random) / 4);
        for (int i = 0; i < channels; ++i) biases.push_back(normal(random));

        std::string bytes;
        if (engine_ == "ncnn") {
            write("m.param",
                  "7767517\n2 2\nInput in0 0 1 in0\n"
                  "Convolution conv 1 1 in0 out0 0=7 1=8 3=8 5=1 6=1344\n");
            bytes.assign(4, '\0');  // 0: the weights that follow are float32
        } else {
            write("m.xml", openvino_graph());
        }
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
        const bool ncnn = engine_ == "ncnn";
        const std::string graph = ncnn ? "m.param" : "m.xml";
        const auto hash = [this](const std::string& name) { return sha256_of_file(folder_ + "/" + name); };
        write(
            "bundle.json",
            R"({"schema": 1, "requires": [], "model": {"family": "yolov5", "task": "detect", "names": ["a", "b"]},)"
            R"( "input": {"channels": "rgb", "mean": [0, 0, 0], "scale": [0.00392156862745098, 0.00392156862745098,)"
            R"( 0.00392156862745098], "pad_value": 114, "letterbox": "rect", "size_hw": [64, 64], "stride": 8},)"
            R"( "heads": [{"stride": 8, "anchors_px": [[10, 13]]}], "targets": [{"engine": ")" +
                engine_ + R"(", "weights": "fp32", "compute": ["fp32", "bf16"], "files": {")" +
                (ncnn ? "param" : "model") + R"(": ")" + graph + R"(", ")" + (ncnn ? "bin" : "weights") +
                R"(": "m.bin"}, "sha256": {")" + graph + R"(": ")" + hash(graph) + R"(", "m.bin": ")" +
                hash("m.bin") + R"("}, "input": {"name": ")" + input +
                R"(", "dtype": "float32", "layout": ")" + (ncnn ? "chw" : "nchw") + R"(", "shapes": )" +
                shapes + R"(}, "outputs": [{"name": ")" + output +
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

    /// The same convolution in OpenVINO's form; m.bin holds the weights, then the biases.
    static std::string openvino_graph() {
        const auto port = [](int id, const std::vector<int>& shape, const std::string& name = "") {
            std::string text = "<port id=\"" + std::to_string(id) + "\" precision=\"FP32\"";
            text += name.empty() ? ">" : " names=\"" + name + "\">";
            for (const int side : shape) text += "<dim>" + std::to_string(side) + "</dim>";
            return text + "</port>";
        };
        const auto constant = [&port](int id, const std::string& shape, int offset, int size,
                                      const std::vector<int>& sides) {
            return "<layer id=\"" + std::to_string(id) + "\" name=\"c" + std::to_string(id) +
                   "\" type=\"Const\" version=\"opset1\"><data element_type=\"f32\" shape=\"" + shape +
                   "\" offset=\"" + std::to_string(offset) + "\" size=\"" + std::to_string(size) +
                   "\"/><output>" + port(0, sides) + "</output></layer>";
        };
        const std::vector<int> open = {1, channels, -1, -1};
        const std::vector<int> image = {1, inputs, -1, -1};
        const std::vector<int> kernel = {channels, inputs, stride, stride};
        const std::vector<int> bias = {1, channels, 1, 1};
        const int weight_bytes = channels * inputs * stride * stride * 4;
        return R"(<?xml version="1.0"?><net name="tiny" version="11"><layers>)"
               R"(<layer id="0" name="in0" type="Parameter" version="opset1">)"
               R"(<data shape="1,3,?,?" element_type="f32"/><output>)" +
               port(0, image, "in0") + "</output></layer>" + constant(1, "7,3,8,8", 0, weight_bytes, kernel) +
               R"(<layer id="2" name="conv" type="Convolution" version="opset1"><data strides="8,8")"
               R"( dilations="1,1" pads_begin="0,0" pads_end="0,0" auto_pad="explicit"/><input>)" +
               port(0, image) + port(1, kernel) + "</input><output>" + port(2, open) + "</output></layer>" +
               constant(3, "1,7,1,1", weight_bytes, channels * 4, bias) +
               R"(<layer id="4" name="add" type="Add" version="opset1"><data auto_broadcast="numpy"/><input>)" +
               port(0, open) + port(1, bias) + "</input><output>" + port(2, open, "out0") +
               R"(</output></layer><layer id="5" name="result" type="Result" version="opset1"><input>)" +
               port(0, open) +
               "</input></layer></layers><edges>"
               R"(<edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>)"
               R"(<edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>)"
               R"(<edge from-layer="2" from-port="2" to-layer="4" to-port="0"/>)"
               R"(<edge from-layer="3" from-port="0" to-layer="4" to-port="1"/>)"
               R"(<edge from-layer="4" from-port="2" to-layer="5" to-port="0"/></edges></net>)";
    }

    std::string engine_;
    std::string folder_;
};

}  // namespace yolo_edge::testing
