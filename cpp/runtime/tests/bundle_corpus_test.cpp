// The cases of tests/data/bundle_cases.json, which say what they mean; the Python reader has the same.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "fake_tree.h"
#include "yolo_edge/bundle.h"
#include "yolo_edge/errors.h"

using namespace yolo_edge;
using yolo_edge::testing::FakeTree;
using Json = nlohmann::ordered_json;

namespace {

std::string repeated(const std::string& text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
}

std::string bytes_of(const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    }
    return bytes;
}

/// The bytes of the case's bundle.json.
std::string content_of(const Json& corpus, const Json& c) {
    const auto option = [&](const char* key) { return c.value(key, std::string()); };
    const auto times = c.value("times", std::size_t{1});
    if (c.contains("text")) return repeated(option("text"), times);
    if (c.contains("hex")) return bytes_of(option("hex"));
    Json patch = Json::array();
    for (const Json& pointer : c.value("remove", Json::array())) {
        patch.push_back({{"op", "remove"}, {"path", pointer}});
    }
    Json manifest = corpus.at("manifest").patch(patch);
    const Json changes = c.value("set", Json::object());
    for (const auto& [pointer, value] : changes.items()) manifest[Json::json_pointer(pointer)] = value;
    std::string content = manifest.dump();
    const std::string put = c.contains("put_hex") ? bytes_of(option("put_hex")) : option("put");
    if (!put.empty()) {
        const std::size_t place = content.find("\"@\"");
        REQUIRE(place != std::string::npos);
        content.replace(place, 3, repeated(put, times));
    }
    content = bytes_of(option("before_hex")) + content + option("after") + bytes_of(option("after_hex"));
    content.resize(std::max(content.size(), c.value("pad_to", std::size_t{0})), ' ');
    return content;
}

std::string write(const FakeTree& tree, const Json& corpus, const Json& c) {
    for (const Json& name : corpus.at("files")) tree.write(name.get<std::string>(), "weights");
    for (const auto& [name, place] : corpus.at("links").items()) {
        std::filesystem::create_symlink(place.get<std::string>(), tree.root() + "/" + name);
    }
    tree.write("case.edge/bundle.json", content_of(corpus, c));
    return tree.root() + "/case.edge";
}

const char* name_of(OutputLayout layout) {
    constexpr std::array<const char*, 4> names = {"c,h,w", "na,h,w,no", "na,h*w,no", "n,no"};
    return names.at(static_cast<std::size_t>(layout));
}

const char* name_of(Activation activation) {
    constexpr std::array<const char*, 3> names = {"none", "sigmoid", "decoded"};
    return names.at(static_cast<std::size_t>(activation));
}

Json pair_of(SizeHW size) {
    return {size.height, size.width};
}

/// What `reads` may ask for, of the first target.
Json facts_of(const Bundle& bundle) {
    const ModelInput& input = bundle.input;
    const Target& target = bundle.targets.at(0);
    Json facts = {
        {"names", bundle.names},
        {"channels", input.normalization.channels == ChannelOrder::rgb ? "rgb" : "bgr"},
        {"letterbox", input.letterbox == LetterboxMode::rect     ? "rect"
                      : input.letterbox == LetterboxMode::square ? "square"
                                                                 : "stretch"},
        {"pad_value", input.normalization.pad_value},
        {"mean", input.normalization.mean},
        {"scale", input.normalization.scale},
        {"size_hw", pair_of(input.size)},
        {"stride", input.stride},
        {"heads", Json::array()},
        {"shapes", Json::array()},
        {"outputs", Json::array()},
        {"files", target.files},
    };
    for (const HeadSpec& head : bundle.heads) {
        Json anchors = Json::array();
        for (const Anchor& anchor : head.anchors) {
            anchors.push_back(Json::array({anchor.width, anchor.height}));
        }
        facts["heads"].push_back(Json::array({head.stride, anchors}));
    }
    for (const SizeHW shape : target.input.shapes) facts["shapes"].push_back(pair_of(shape));
    for (const TargetOutput& output : target.outputs) {
        facts["outputs"].push_back(
            Json::array({output.name, output.head ? Json(*output.head) : Json(), name_of(output.form.layout),
                         name_of(output.form.activation)}));
    }
    return facts;
}

/// Equal, numbers as float32: what the anchors are kept in.
bool agree(const Json& a, const Json& b) {
    if (a.is_number() && b.is_number()) return a.get<float>() == b.get<float>();
    if (!a.is_array() || !b.is_array()) return a == b;
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), agree);
}

}  // namespace

TEST_CASE("both readers read and refuse the same bundles") {
    std::ifstream file(YOLO_EDGE_TEST_DATA "/bundle_cases.json");
    REQUIRE(file);
    const Json corpus = Json::parse(file);
    REQUIRE(corpus.at("cases").size() >= 170);
    for (const Json& c : corpus.at("cases")) {
        CAPTURE(c.at("name"));
        const FakeTree tree;
        const std::string folder = write(tree, corpus, c);
        std::string message;
        Bundle bundle;
        try {
            bundle = load_bundle(folder);
            for (const Target& target : bundle.targets) verified_files(bundle, target);
        } catch (const BundleError& error) {
            message = error.what();
        }
        CAPTURE(message);
        if (c.contains("reads")) {
            REQUIRE(message.empty());
            const Json facts = facts_of(bundle);
            for (const auto& [key, value] : c.at("reads").items()) {
                CAPTURE(key);
                CAPTURE(facts.at(key));
                CHECK(agree(facts.at(key), value));
            }
        } else if (c.contains("faults")) {
            std::string expected;
            for (const Json& fault : c.at("faults")) {
                expected += (expected.empty() ? "" : "; ") + fault.get<std::string>();
            }
            CHECK(message == folder + "/bundle.json: " + expected);
        } else {
            CHECK(message.compare(0, folder.size(), folder) == 0);
            CHECK(message.find(c.at("error").get<std::string>()) != std::string::npos);
        }
    }
}
