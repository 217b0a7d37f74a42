#include "yolo_edge/bundle.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

#include "argument_error.h"
#include "bundle_fields.h"
#include "bundle_json.h"
#include "sha256.h"
#include "yolo_edge/errors.h"

namespace yolo_edge {
namespace {

namespace fs = std::filesystem;

// All limits and texts here are those of runtime/yolo_edge/bundle.py; one corpus tests both readers.
constexpr int schema_known = 1;
constexpr const char* manifest_name = "bundle.json";
constexpr int longest_side = 32768;                 // pixels, see letterbox_geometry
constexpr std::size_t largest_list = 64;            // heads, targets, and outputs and files of a target
constexpr std::size_t largest_verification = 1000;  // rows
constexpr int largest_factor = 1'000'000;  // of mean and scale: normalised values stay far inside float32
constexpr double smallest_anchor = 0.001;  // pixels
constexpr double largest_anchor = 100'000;

/// Features that a bundle may list under `requires` and that this reader understands.
const std::set<std::string>& known_requirements() {
    static const std::set<std::string> none;
    return none;
}

template <typename Range>
std::string listed(const Range& texts) {
    std::string list;
    for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + text;
    return list;
}

std::string manifest_path(const std::string& folder) {
    return (fs::path(folder) / manifest_name).string();
}

/// The folder as Python's pathlib writes it: messages of both readers are the same.
std::string plain_folder(std::string folder) {
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    return folder.empty() ? "." : folder;
}

[[noreturn]] void unreadable(const std::string& path, const std::error_code& error) {
    throw BundleError(path + ": cannot be read: " + error.message());
}

/// What bundle.json holds, but no more than one byte beyond the largest.
std::string read_manifest(const std::string& folder) {
    // The system would see the name up to there, and so would whoever reads the message.
    if (folder.find('\0') != std::string::npos) throw BundleError("the path of the bundle holds a NUL");
    std::error_code error;
    const fs::file_status status = fs::status(folder, error);
    if (status.type() == fs::file_type::not_found) {
        throw BundleError(folder + ": no such bundle; yolo-export makes one from a checkpoint");
    }
    if (status.type() == fs::file_type::none) unreadable(folder, error);
    const std::string suffix = fs::path(folder).extension().string();
    if (fs::is_regular_file(status) && (suffix == ".onnx" || suffix == ".param")) {
        throw BundleError(
            folder + ": is another tool's model, not a bundle; make one with: yolo-edge import " + folder);
    }
    if (!fs::is_directory(status)) {
        throw BundleError(folder + ": is not a bundle, which is a folder NAME.edge; yolo-export makes one");
    }
    const std::string path = manifest_path(folder);
    const fs::file_status file_status = fs::status(path, error);
    if (file_status.type() == fs::file_type::none) unreadable(path, error);
    if (!fs::is_regular_file(file_status)) {
        throw BundleError(folder + ": has no " + manifest_name + ", so it is not a bundle");
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) unreadable(path, {errno, std::generic_category()});
    std::string text;
    const std::uintmax_t size = std::min<std::uintmax_t>(fs::file_size(path, error), largest_manifest);
    text.resize(error ? largest_manifest + 1 : static_cast<std::size_t>(size) + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) unreadable(path, {errno, std::generic_category()});
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

ModelInput read_input(const Fields& fields) {
    ModelInput input;
    input.normalization.mean = fields.three_numbers("mean", largest_factor);
    input.normalization.scale = fields.three_numbers("scale", largest_factor);
    input.size = fields.size("size_hw", longest_side);
    constexpr ChannelOrder orders[] = {ChannelOrder::rgb, ChannelOrder::bgr};
    input.normalization.channels = orders[fields.choice("channels", {"rgb", "bgr"})];
    input.normalization.pad_value =
        static_cast<std::uint8_t>(fields.integer("pad_value", 0, 255).value_or(0));
    constexpr LetterboxMode modes[] = {LetterboxMode::rect, LetterboxMode::square};
    input.letterbox = modes[fields.choice("letterbox", {"rect", "square"})];
    input.stride = static_cast<int>(fields.integer("stride", 1, longest_side).value_or(1));
    return input;
}

HeadSpec read_head(const Fields& fields) {
    HeadSpec head;
    head.stride = static_cast<int>(fields.integer("stride", 1, longest_side).value_or(1));
    head.anchors = fields.anchors("anchors_px", smallest_anchor, largest_anchor);
    return head;
}

TargetOutput read_output(const Fields& fields, std::size_t heads) {
    constexpr OutputLayout layouts[] = {OutputLayout::planes, OutputLayout::cells, OutputLayout::flat_cells,
                                        OutputLayout::rows};
    constexpr const char* layout_names[] = {"c,h,w", "na,h,w,no", "na,h*w,no", "n,no"};
    constexpr Activation activations[] = {Activation::none, Activation::sigmoid, Activation::decoded};
    TargetOutput output;
    const std::size_t layout =
        fields.choice("layout", {layout_names[0], layout_names[1], layout_names[2], layout_names[3]});
    output.form.layout = layouts[layout];
    output.form.activation = activations[fields.choice("activation", {"none", "sigmoid", "decoded"})];
    if (output.form.layout != OutputLayout::rows) {
        const auto head = fields.integer("head", 0, static_cast<std::int64_t>(heads) - 1);
        if (head) output.head = static_cast<int>(*head);
        if (output.form.activation == Activation::decoded) {
            fields.fault("activation",
                         std::string("is decoded, which layout ") + layout_names[layout] + " cannot be");
        }
    } else if (fields.find("head") != nullptr) {
        fields.fault("head", "is given, but layout n,no holds all heads");
    }
    output.name = fields.text("name");
    output.dtype = fields.text("dtype");
    return output;
}

/// Whether the path that begins with `folder` leads on to something below it.
bool lies_inside(const fs::path& path, const fs::path& folder) {
    const auto [rest, end] = std::mismatch(path.begin(), path.end(), folder.begin(), folder.end());
    return end == folder.end() && rest != path.end();
}

/// No part of it is empty, so it is not absolute and names no folder.
bool is_plain_path(const std::string& name) {
    for (std::size_t begin = 0; begin <= name.size();) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string part = name.substr(begin, end - begin);
        if (part.empty() || part == "." || part == "..") return false;
        begin = end + 1;
    }
    return !holds_control_characters(name);
}

void check_file(const Fields& fields, const fs::path& folder, const std::string& name) {
    if (!is_plain_path(name)) {
        fields.fault("files", "names " + shown(name) + ", which is not a path inside the bundle");
        return;
    }
    std::error_code no_path;
    std::error_code no_root;
    const fs::path path = fs::canonical(folder / name, no_path);
    const fs::path root = fs::canonical(folder, no_root);
    std::error_code ignored;
    if (no_path || no_root || !fs::is_regular_file(path, ignored)) {
        fields.fault("files", "names " + shown(name) + ", which is missing from the bundle");
    } else if (!lies_inside(path, root)) {
        fields.fault("files", "names " + shown(name) + ", which leads out of the bundle");
    }
}

void check_hash(const Fields& fields, const std::string& name,
                const std::map<std::string, std::string>& hashes) {
    const auto hash = hashes.find(name);
    if (hash == hashes.end()) {
        fields.fault("sha256", "lacks " + shown(name));
    } else if (hash->second.size() != 64 ||
               hash->second.find_first_not_of("0123456789abcdef") != std::string::npos) {
        fields.fault("sha256", "of " + shown(name) + " is " + shown(hash->second) +
                                   ", not 64 lower-case hexadecimal digits");
    }
}

/// Faults when the outputs do not hold every head once.
void check_outputs(const Fields& fields, const std::vector<TargetOutput>& outputs, std::size_t heads) {
    const bool rows = std::any_of(outputs.begin(), outputs.end(), [](const TargetOutput& output) {
        return output.form.layout == OutputLayout::rows;
    });
    if (rows) {
        if (outputs.size() > 1) {
            fields.fault("outputs", "holds one of layout n,no, which must be the only one");
        }
        return;
    }
    bool each_once = outputs.size() == heads;
    // They are sorted by head.
    for (std::size_t i = 0; each_once && i < heads; ++i) {
        each_once = outputs[i].head.value_or(0) == static_cast<int>(i);
    }
    if (!each_once) {
        fields.fault("outputs", "must hold each of the " + std::to_string(heads) + " heads once");
    }
}

Target read_target(const Fields& fields, const fs::path& folder, std::size_t heads) {
    Target target;
    const auto files = fields.text_map("files", largest_list);
    const auto hashes = fields.text_map("sha256", largest_list);
    target.files = {files.begin(), files.end()};
    target.sha256 = {hashes.begin(), hashes.end()};
    for (const auto& [role, name] : files) {
        check_file(fields, folder, name);
        check_hash(fields, name, target.sha256);
    }
    const Fields tensor = fields.section("input");
    for (const Fields& output : fields.sections("outputs", 1, largest_list)) {
        target.outputs.push_back(read_output(output, heads));
    }
    std::stable_sort(
        target.outputs.begin(), target.outputs.end(),
        [](const TargetOutput& a, const TargetOutput& b) { return a.head.value_or(0) < b.head.value_or(0); });
    check_outputs(fields, target.outputs, heads);
    target.engine = fields.text("engine");
    target.weights = fields.text("weights");
    target.compute = fields.strings("compute", 1);
    target.input.name = tensor.text("name");
    target.input.dtype = tensor.text("dtype");
    constexpr const char* layouts[] = {"nchw", "chw"};
    target.input.layout = layouts[tensor.choice("layout", {layouts[0], layouts[1]})];
    target.input.shapes = tensor.sizes("shapes", longest_side);
    return target;
}

/// Whether a target's outputs are boxes, so that nobody needs to know the heads.
bool is_decoded(const Fields& target) {
    const Json* outputs = target.find("outputs");
    return outputs != nullptr && outputs->is_array() &&
           std::all_of(outputs->begin(), outputs->end(), [](const Json& output) {
               return output.is_object() && output.contains("activation") &&
                      output.at("activation") == "decoded";
           });
}

/// What is refused before the rest is judged, for it may mean anything.
void check_version(const Fields& root, const std::string& folder) {
    const std::optional<std::int64_t> schema = root.integer("schema", 1);
    if (schema && *schema > schema_known) {
        throw BundleError(folder + ": schema " + std::to_string(*schema) + " is newer than " +
                          std::to_string(schema_known) +
                          ", the newest that this version of yolo-edge reads; upgrade yolo-edge or export "
                          "the bundle again");
    }
    std::set<std::string> unknown;
    for (const std::string& feature : root.strings("requires")) {
        if (known_requirements().count(feature) == 0) unknown.insert(feature);
    }
    if (unknown.empty()) return;
    std::vector<std::string> texts;
    for (const std::string& feature : unknown) texts.push_back(shown(feature));
    throw BundleError(folder + ": requires " + listed(texts) +
                      ", which this version of yolo-edge does not know; upgrade yolo-edge");
}

Json parse_manifest(std::string_view text, const std::string& path) {
    if (text.size() > largest_manifest) {
        throw BundleError(path + ": is larger than " + std::to_string(largest_manifest) +
                          " bytes, the most that a manifest may be");
    }
    Json manifest;
    try {
        manifest = parse_json(text);
    } catch (const std::invalid_argument& error) {
        throw BundleError(path + ": is not valid JSON: " + error.what());
    }
    if (!manifest.is_object()) throw BundleError(path + ": is " + shown(manifest) + ", not an object");
    return manifest;
}

}  // namespace

Bundle load_bundle(const std::string& folder) {
    return parse_bundle(read_manifest(plain_folder(folder)), folder);
}

Bundle parse_bundle(std::string_view manifest_json, const std::string& folder) {
    Bundle bundle;
    bundle.path = plain_folder(folder);
    const std::string path = manifest_path(bundle.path);
    const Json manifest = parse_manifest(manifest_json, path);
    std::vector<std::string> faults;
    const Fields root(manifest, "", &faults);
    check_version(root, bundle.path);

    const Fields model = root.section("model");
    bundle.family = model.text("family");
    model.choice("task", {"detect"});
    bundle.names = model.strings("names");
    const Json* names = model.find("names");
    if (names != nullptr && names->is_array() && names->empty()) model.fault("names", "is empty");
    bundle.input = read_input(root.section("input"));
    const std::vector<Fields> targets = root.sections("targets", 1, largest_list);
    const bool decoded = std::all_of(targets.begin(), targets.end(), is_decoded);
    for (const Fields& head : root.sections("heads", decoded ? 0 : 1, largest_list)) {
        bundle.heads.push_back(read_head(head));
    }
    for (const Fields& target : targets) {
        bundle.targets.push_back(read_target(target, bundle.path, bundle.heads.size()));
    }
    std::set<std::pair<std::string, std::string>> seen;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const Target& target = bundle.targets[i];
        if (target.engine.empty() || target.weights.empty()) continue;
        if (!seen.emplace(target.engine, target.weights).second) {
            targets[i].fault("weights",
                             "is " + shown(target.weights) + ", as of another target of the same engine");
        }
    }
    root.sections("verification", 0, largest_verification, false);
    root.section("provenance", false);

    const auto [height, width] = bundle.input.size;
    const int stride = bundle.input.stride;
    if (faults.empty() && (height % stride != 0 || width % stride != 0)) {
        faults.push_back("input.size_hw [" + std::to_string(height) + "," + std::to_string(width) +
                         "] is not a multiple of input.stride");
    }
    if (faults.empty() && std::any_of(bundle.heads.begin(), bundle.heads.end(),
                                      [&](const HeadSpec& head) { return stride % head.stride != 0; })) {
        faults.push_back("input.stride " + std::to_string(stride) +
                         " is not a multiple of every head's stride");
    }
    if (faults.empty()) return bundle;
    std::string message = path + ": ";
    for (std::size_t i = 0; i < faults.size(); ++i) message += (i == 0 ? "" : "; ") + faults[i];
    throw BundleError(message);
}

std::map<std::string, std::string> verified_files(const Bundle& bundle, const Target& target) {
    constexpr std::size_t digits = 12;  // enough to tell two files apart
    std::map<std::string, std::string> paths;
    for (const auto& [role, name] : target.files) {
        const std::string path = (fs::path(bundle.path) / name).string();
        const std::string found = sha256_of_file(path);
        const auto hash = target.sha256.find(name);
        const std::string expected = hash == target.sha256.end() ? "nothing" : hash->second;
        if (found != expected) {
            throw BundleError(path + ": the content does not match the bundle (sha256 is " +
                              found.substr(0, digits) + "…, " + manifest_name + " says " +
                              expected.substr(0, digits) + "…); copy or export the bundle again");
        }
        paths[role] = path;
    }
    return paths;
}

}  // namespace yolo_edge
