#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yolo_edge/letterbox_geometry.h"
#include "yolo_edge/normalization.h"
#include "yolo_edge/output_proposals.h"
#include "yolo_edge/proposals.h"

namespace yolo_edge {

/// How an image becomes the network's input tensor.
struct ModelInput {
    Normalization normalization;
    LetterboxMode letterbox = LetterboxMode::rect;  ///< rect or square.
    SizeHW size;                                    ///< Default network size, pixels.
    int stride = 1;  ///< Largest stride of the model; the tensor's sides are multiples of it.
};

/// The input tensor of one engine's file.
struct TargetInput {
    std::string name;
    std::string dtype;
    std::string layout;          ///< "nchw" or "chw".
    std::vector<SizeHW> shapes;  ///< The only sizes that it takes; empty when height and width are open.
};

/// One output tensor of one engine's file.
struct TargetOutput {
    std::string name;
    std::optional<int> head;  ///< Index of its head in the bundle; nothing for rows, which hold all heads.
    OutputSpec form;
    std::string dtype;
};

/// The model's files for one engine and one weight precision.
struct Target {
    std::string engine;
    std::string weights;
    std::vector<std::string> compute;           ///< Kinds of arithmetic in which it was verified.
    std::map<std::string, std::string> files;   ///< File names by role, inside the bundle.
    std::map<std::string, std::string> sha256;  ///< By file name.
    TargetInput input;
    std::vector<TargetOutput> outputs;  ///< In the order of the bundle's heads.
};

/// A bundle that has been read and checked; docs/bundle.md describes the folder.
struct Bundle {
    std::string path;  ///< The folder.
    std::string family;
    std::vector<std::string> names;  ///< Class names by id.
    ModelInput input;
    std::vector<HeadSpec> heads;  ///< Empty when every output is decoded.
    std::vector<Target> targets;
};

/// Reads and checks a bundle folder. The hashes of a target's files are checked by verified_files.
///
/// Throws BundleError; every fault of the manifest is in one message.
Bundle load_bundle(const std::string& folder);

/// The same for a manifest that is in memory already; its files lie in `folder`.
Bundle parse_bundle(std::string_view manifest_json, const std::string& folder);

/// Checks the content of every file of a target and returns their paths by role. Throws BundleError.
std::map<std::string, std::string> verified_files(const Bundle& bundle, const Target& target);

/// The bundle's target for an engine and a precision, see choose_precision; engine "auto" takes the first of
/// engine_names() that can do what is wanted.
///
/// Of an engine's targets, "fp32" takes one with float32 weights before one with half-precision weights,
/// "fp16-storage" and "fp16" the other way round, "int8" and "int8-weights" only their own, which "auto"
/// never takes.
///
/// Throws std::invalid_argument for an engine that this library does not have, or a precision that is unknown
/// or that the engine does not have; BundleError when the bundle has no such target.
const Target& select_target(const Bundle& bundle, std::string_view engine,
                            std::string_view precision = "auto");

}  // namespace yolo_edge
