// The bundle reader on a sound manifest with bytes changed, cut, repeated and words put in, and now and then
// on bytes alone. It must read or refuse with BundleError; what it read must be fit for the rest of the
// runtime.

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "fuzz_input.h"
#include "yolo_edge/bundle.h"
#include "yolo_edge/errors.h"
#include "yolo_edge/letterbox.h"
#include "yolo_edge/postprocessor.h"

using namespace yolo_edge;
using yolo_edge::fuzz::FuzzInput;
using yolo_edge::fuzz::require;
namespace fs = std::filesystem;

namespace {

/// A folder with a model's file in it, and the manifest that the reader's tests start from.
struct Ground {
    std::string folder = (fs::temp_directory_path() / "yolo_edge_fuzz_XXXXXX").string();
    std::string manifest;

    Ground() {
        require(mkdtemp(folder.data()) != nullptr);
        std::ofstream(fs::path(folder) / "model.onnx") << "weights";
        std::ifstream cases(YOLO_EDGE_TEST_DATA "/bundle_cases.json");
        manifest = nlohmann::json::parse(cases).at("manifest").dump(1);
        parse_bundle(manifest, folder);
    }
    ~Ground() { fs::remove_all(folder); }
};

constexpr const char* words[] = {"null",
                                 "true",
                                 "-1",
                                 "0",
                                 "1e999",
                                 "1e-999",
                                 "0.5",
                                 "65536",
                                 "2147483648",
                                 "18446744073709551616",
                                 "\"\"",
                                 "\"\\u0000\"",
                                 "\"\\ud800\"",
                                 "\"..\"",
                                 "\"../model.onnx\"",
                                 "\"/etc/passwd\"",
                                 "\"model.onnx\"",
                                 "[]",
                                 "{}",
                                 "[[[[[[[[[[[[[[[[",
                                 "{\"a\":",
                                 "\"rows\"",
                                 "\"n,no\"",
                                 "\"sigmoid\"",
                                 "\"decoded\"",
                                 "\"square\"",
                                 "\"dynamic\"",
                                 "[[64, 96]]",
                                 ",",
                                 ":",
                                 "\"",
                                 "\\",
                                 "\xff",
                                 "\xef\xbb\xbf",
                                 "NaN",
                                 "Infinity"};

void edit(std::string& text, FuzzInput& input) {
    const int end = static_cast<int>(text.size());
    const auto at = static_cast<std::size_t>(input.between(0, end));
    const auto length = static_cast<std::size_t>(input.any<std::uint8_t>() % 64);
    switch (input.between(0, 4)) {
        case 0:
            text.insert(at, 1, input.any<char>());
            break;
        case 1:
            text.erase(at, length);
            break;
        case 2:
            text.insert(at, text.substr(at, length));
            break;
        case 3:
            text.insert(at, words[static_cast<std::size_t>(input.any<std::uint8_t>()) % std::size(words)]);
            break;
        default: {  // a word in the place of a value
            const std::size_t begin =
                text.find_first_not_of(' ', std::min(text.find(':', at), text.size() - 1) + 1);
            if (begin == std::string::npos) break;
            const std::size_t stop = std::min(text.find_first_of(",\n", begin), text.size());
            text.replace(begin, stop - begin,
                         words[static_cast<std::size_t>(input.any<std::uint8_t>()) % std::size(words)]);
        }
    }
}

void use(const Bundle& bundle) {
    Letterbox letterbox(bundle.input.normalization);
    LetterboxOptions fit;
    fit.size = bundle.input.size;
    fit.stride = bundle.input.stride;
    fit.mode = bundle.input.letterbox;
    letterbox_geometry({480, 640}, fit);
    require(!bundle.names.empty() && !bundle.targets.empty());
    for (const Target& target : bundle.targets) {
        std::vector<OutputSpec> forms;
        for (const TargetOutput& output : target.outputs) forms.push_back(output.form);
        std::vector<HeadSpec> heads;
        for (const TargetOutput& output : target.outputs) {
            if (output.head) heads.push_back(bundle.heads.at(static_cast<std::size_t>(*output.head)));
        }
        if (heads.empty()) heads = bundle.heads;
        Postprocessor postprocessor(heads, forms);
        try {
            for (const auto& [role, path] : verified_files(bundle, target)) {
                require(fs::canonical(path).string().rfind(fs::canonical(bundle.path).string() + "/", 0) ==
                        0);
            }
        } catch (const BundleError&) {  // another content than the hash says
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Ground ground;
    FuzzInput input(data, size);
    std::string text;
    if (input.any<std::uint8_t>() == 0) {
        while (!input.empty()) text += input.any<char>();
    } else {
        text = ground.manifest;
        for (int edits = input.between(1, 6); edits > 0 && !input.empty(); --edits) edit(text, input);
    }
    Bundle bundle;
    try {
        bundle = parse_bundle(text, ground.folder);
    } catch (const BundleError&) {
        return 0;
    }
    use(bundle);
    return 0;
}
