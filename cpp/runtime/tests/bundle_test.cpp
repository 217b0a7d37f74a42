// What the reader accepts and refuses is in bundle_corpus_test.cpp; here its own ways.
#include "yolo_edge/bundle.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "fake_tree.h"
#include "yolo_edge/engine.h"
#include "yolo_edge/errors.h"

using namespace yolo_edge;
using yolo_edge::testing::FakeTree;

namespace {

// Of a file that holds "weights".
const std::string hash = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c";

std::string target(const std::string& engine, const std::string& weights = "fp32") {
    return R"({"engine": ")" + engine + R"(", "weights": ")" + weights + R"(", "compute": ["fp32"],
        "files": {"model": "model.bin"}, "sha256": {"model.bin": ")" +
           hash + R"("},
        "input": {"name": "in0", "dtype": "float32", "layout": "chw", "shapes": "dynamic"},
        "outputs": [{"name": "out0", "layout": "n,no", "activation": "decoded", "dtype": "float32"}]})";
}

std::string manifest(const std::string& targets) {
    return R"({"schema": 1, "requires": [],
        "model": {"family": "yolov5", "task": "detect", "names": ["person"]},
        "input": {"channels": "rgb", "mean": [0, 0, 0], "scale": [1, 1, 1], "pad_value": 114,
                  "letterbox": "rect", "size_hw": [64, 64], "stride": 32},
        "heads": [], "targets": [)" +
           targets + "]}";
}

std::string error_of(const std::string& folder) {
    try {
        load_bundle(folder);
    } catch (const BundleError& error) {
        return error.what();
    }
    return "";
}

bool starts_with(const std::string& text, const std::string& start) {
    return text.compare(0, start.size(), start) == 0;
}

}  // namespace

TEST_CASE("what is no bundle is told from one") {
    const FakeTree tree;
    const std::string root = tree.root() + "/";
    CHECK(error_of(root + "a.edge") ==
          root + "a.edge: no such bundle; yolo-export makes one from a checkpoint");
    tree.write("b.edge/bundle.json", "{}");
    CHECK(error_of(root + "b.edge" + std::string(1, '\0')) == "the path of the bundle holds a NUL");
    tree.write("best.onnx", "model");
    CHECK(error_of(root + "best.onnx") == root +
                                              "best.onnx: is another tool's model, not a bundle; make one "
                                              "with: yolo-edge import " +
                                              root + "best.onnx");
    CHECK(error_of(root + "best.onnx/") == root +
                                               "best.onnx: is another tool's model, not a bundle; make "
                                               "one with: yolo-edge import " +
                                               root + "best.onnx");
    tree.write("best.pt", "x");
    CHECK(error_of(root + "best.pt") ==
          root + "best.pt: is not a bundle, which is a folder NAME.edge; yolo-export makes one");
    CHECK(starts_with(error_of(root + "best.pt/a.edge"), root + "best.pt/a.edge: no such bundle"));
    tree.write("empty.edge/other", "");
    CHECK(error_of(root + "empty.edge/") == root + "empty.edge: has no bundle.json, so it is not a bundle");
    CHECK(error_of(root + std::string(300, 'x')) ==
          root + std::string(300, 'x') + ": cannot be read: File name too long");
}

TEST_CASE("a manifest is a file of bounded size") {
    const FakeTree tree;
    const std::string path = tree.root() + "/bundle.json";
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);  // reading it would wait for ever
    CHECK(error_of(tree.root()) == tree.root() + ": has no bundle.json, so it is not a bundle");
    std::filesystem::remove(path);
    tree.write("bundle.json", "");
    std::filesystem::resize_file(path, std::uintmax_t{1} << 40);  // a hole, which takes no room on the disk
    CHECK(error_of(tree.root()) == path + ": is larger than 16777216 bytes, the most that a manifest may be");
}

TEST_CASE("a syntax error is told by its place, and repeats nothing of the file") {
    const auto fault = [](const std::string& text) -> std::string {
        try {
            parse_bundle(text, "a.edge");
        } catch (const BundleError& error) {
            return error.what();
        }
        return "";
    };
    const std::string start = "a.edge/bundle.json: is not valid JSON: ";
    CHECK(fault("{\n \"a\": \x1b[2J}") == start + "syntax error at line 2, byte 7");
    CHECK(fault("") == start + "syntax error at line 1, byte 1");
    CHECK(fault("{\"a\": 1e999}") == start + "a number is larger than a float64 can be");
    CHECK(fault("{\"\\u001b\": 1, \"\\u001b\": 1}") ==
          start + "the key \"\\u001b\" stands twice in one object");
    CHECK(fault(std::string(1'000'000, '[')) == start + "it nests deeper than 64 levels");
}

TEST_CASE("an object of many keys takes time by their number, not its square") {
    std::string text = "{";
    for (int i = 0; i < 500'000; ++i) text += "\"" + std::to_string(i) + "\": 0, ";
    CHECK_THROWS_AS(parse_bundle(text + "\"schema\": 0}", "a.edge"), BundleError);
}

TEST_CASE("only files of the right content are opened") {
    const FakeTree tree;
    tree.write("a.edge/bundle.json", manifest(target("ncnn")));
    tree.write("a.edge/model.bin", "other");
    const std::string folder = tree.root() + "/a.edge";
    const Bundle bundle = load_bundle(folder + "/");
    CHECK(bundle.path == folder);
    CHECK_THROWS_WITH_AS(
        verified_files(bundle, bundle.targets[0]),
        (folder +
         "/model.bin: the content does not match the bundle (sha256 is d9298a10d1b0…, bundle.json "
         "says " +
         hash.substr(0, 12) + "…); copy or export the bundle again")
            .c_str(),
        BundleError);
    Bundle made = bundle;
    made.targets[0].sha256 = {
        {"model.bin", "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"}};
    CHECK(verified_files(made, made.targets[0]) ==
          std::map<std::string, std::string>{{"model", folder + "/model.bin"}});
    made.targets[0].sha256.clear();
    CHECK_THROWS_AS(verified_files(made, made.targets[0]), BundleError);
    std::filesystem::remove(folder + "/model.bin");
    CHECK_THROWS_WITH_AS(verified_files(bundle, bundle.targets[0]),
                         (folder + "/model.bin: cannot be read: No such file or directory").c_str(),
                         BundleError);
}

TEST_CASE("a target is chosen by its engine") {
    const FakeTree tree;
    tree.write("model.bin", "weights");
    std::string targets = target("a-board-of-tomorrow");
    const auto read = [&] { return parse_bundle(manifest(targets), tree.root()); };
    const std::vector<std::string> names = engine_names();
    const std::string known = [&] {
        std::string list;
        for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
        return list.empty() ? std::string("none") : list;
    }();
    const Bundle lacking = read();
    CHECK_THROWS_WITH_AS(
        select_target(lacking, "auto"),
        (tree.root() + " has targets for a-board-of-tomorrow; this library was built with: " + known).c_str(),
        BundleError);
    // Known to the bundle is not enough.
    CHECK_THROWS_AS(select_target(lacking, "a-board-of-tomorrow"), std::invalid_argument);
    CHECK_THROWS_AS(select_target(lacking, ""), std::invalid_argument);
    for (const std::string& name : names) {
        CHECK_THROWS_WITH_AS(select_target(lacking, name),
                             (tree.root() + " has no target for engine '" + name +
                              "'; it has: a-board-of-tomorrow (yolo-export --to adds one)")
                                 .c_str(),
                             BundleError);
    }
    if (names.empty()) return;
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        targets += ", " + target(*name) + ", " + target(*name, "fp16");
    }
    const Bundle bundle = read();
    CHECK(&select_target(bundle, "auto") == &select_target(bundle, names.front()));
    // What fits a precision is in selection_test.cpp.
    CHECK(&select_target(bundle, names.back()) == &bundle.targets[1]);
}
