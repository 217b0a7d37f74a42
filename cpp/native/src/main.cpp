// The program yolo-edge-native: what `yolo-edge run` does, without Python.

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "commands.h"
#include "errors.h"
#include "output.h"
#include "yolo_edge/version.h"

namespace yolo_edge::native {
namespace {

struct Command {
    std::string_view name;
    std::string_view summary;
    int (*run)(const std::vector<std::string>&);
};

constexpr Command commands[] = {
    {"run", "detect objects in images, folders and videos", run_command},
    {"bench", "measure a bundle on this machine", bench_command},
    {"info", "show this machine, the engines compiled in and what a bundle holds", info_command},
};

// Exit codes, those of `yolo-edge`.
constexpr int failed = 1;
constexpr int wrong_usage = 2;
constexpr int interrupted_by_user = 130;

std::string help() {
    std::string text =
        "usage: yolo-edge-native COMMAND [options]\n\n"
        "Runs YOLOv5 and YOLOv5-Lite bundles, made by yolo-export, on images and video, without Python.\n\n"
        "commands:\n";
    for (const Command& command : commands) {
        text += "  " + std::string(command.name) + std::string(9 - command.name.size(), ' ');
        text += std::string(command.summary) + "\n";
    }
    return text + R"(
options:
  --version  print the version and exit
  --help     show this help and exit; after a command, that command's

examples:
  yolo-edge-native run street.jpg                     the only bundle of this folder on one image
  yolo-edge-native run images/ --jsonl - | jq .detections
  yolo-edge-native bench --model best.edge --threads 4 --cluster big

Data goes to standard output, log and progress to standard error. The exit code is 0, 1 when anything failed
(an image that does not decode is reported and the rest goes on), 2 for wrong usage, 130 when interrupted.
)";
}

int complain(const std::string& command, const std::string& text, int code) {
    const std::string program = command.empty() ? "yolo-edge-native" : "yolo-edge-native " + command;
    std::fprintf(stderr, "%s: error: %s\n", program.c_str(), text.c_str());
    if (code == wrong_usage) std::fprintf(stderr, "`%s --help` tells more\n", program.c_str());
    return code;
}

int run_main(std::vector<std::string> arguments) {
    if (arguments.empty()) {
        return complain("", "the following arguments are required: COMMAND", wrong_usage);
    }
    const std::string first = arguments[0];
    if (first == "--help" || first == "-h") {
        print(help());
        return 0;
    }
    if (first == "--version") {
        print(std::string("yolo-edge-native ") + version + "\n");
        return 0;
    }
    arguments.erase(arguments.begin());
    for (const Command& command : commands) {
        if (command.name != first) continue;
        try {
            return command.run(arguments);
        } catch (const std::invalid_argument& error) {
            return complain(first, error.what(), wrong_usage);
        } catch (const std::bad_alloc&) {
            return complain(first, "out of memory", failed);
        } catch (const std::exception& error) {
            return complain(first, error.what(), failed);
        }
    }
    return complain("", "unknown command '" + first + "' (choose from run, bench, info)", wrong_usage);
}

}  // namespace
}  // namespace yolo_edge::native

int main(int argc, char** argv) {
    using namespace yolo_edge::native;
    std::signal(SIGPIPE, SIG_IGN);  // a write tells instead
    try {
        return run_main(std::vector<std::string>(argv + 1, argv + argc));
    } catch (const BrokenPipe&) {
        return 0;
    } catch (const Interrupted&) {
        return interrupted_by_user;
    } catch (const std::exception& error) {
        return complain("", error.what(), failed);
    }
}
