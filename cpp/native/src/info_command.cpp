#include <sys/utsname.h>

#include <filesystem>

#include "arguments.h"
#include "commands.h"
#include "decoded_image.h"
#include "json_text.h"
#include "model_choice.h"
#include "output.h"
#include "rounded.h"
#include "table.h"
#include "yolo_edge/bundle.h"
#include "yolo_edge/cpu_plan.h"
#include "yolo_edge/engine.h"
#include "yolo_edge/errors.h"
#include "yolo_edge/simd.h"
#include "yolo_edge/version.h"

namespace yolo_edge::native {
namespace {

std::string platform_name() {
    utsname system{};
    if (uname(&system) != 0) return "unknown";
    return std::string(system.sysname) + " " + system.release + " " + system.machine;
}

std::int64_t size_of_files(const Bundle& bundle, const Target& target) {
    std::int64_t total = 0;
    for (const auto& [role, path] : verified_files(bundle, target)) {
        total += static_cast<std::int64_t>(std::filesystem::file_size(path));
    }
    return total;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

std::string shapes_text(const Target& target) {
    std::vector<std::string> shapes;
    for (const SizeHW shape : target.input.shapes) {
        shapes.push_back(std::to_string(shape.height) + "x" + std::to_string(shape.width));
    }
    return shapes.empty() ? "any" : joined(shapes);
}

const char* name_of_mode(LetterboxMode mode) {
    return mode == LetterboxMode::rect ? "rect" : "square";
}

// ------------------------------------------------------------------------------------------------ JSON

template <typename Number>
void put_or_null(JsonText& json, const std::optional<Number>& value) {
    if (value) {
        json.integer(*value);
    } else {
        json.null();
    }
}

void put_machine(JsonText& json, const CpuTopology& topology) {
    const CpuPlan plan = plan_cpus({}, topology);
    json.key("machine").begin_object();
    json.key("yolo_edge").text(version);
    json.key("platform").text(platform_name());
    json.key("simd").text(name_of(best_simd_level()));
    json.key("images").text(decoder_name());
    json.key("clusters").begin_array();
    for (const CpuTier& tier : topology.tiers()) {
        json.begin_object();
        json.key("name").text(name_of(tier.cluster));
        json.key("cpus").text(tier.cpus.to_list());
        json.key("capacity");
        put_or_null(json, tier.capacity);
        json.key("max_frequency_khz");
        put_or_null(json, tier.max_frequency_khz);
        json.end_object();
    }
    json.end_array();
    json.key("online_cpus").text(topology.online().to_list());
    json.key("allowed_cpus").text(topology.allowed().to_list());
    json.key("quota_cpus");
    if (topology.quota_cpus()) {
        json.number(*topology.quota_cpus(), 3);
    } else {
        json.null();
    }
    json.key("engine_cpus").text(plan.engine_cpus.to_list());
    json.key("engine_threads").integer(plan.threads);
    json.end_object();
}

void put_target(JsonText& json, const Bundle& bundle, const Target& target) {
    json.begin_object();
    json.key("engine").text(target.engine);
    json.key("weights").text(target.weights);
    json.key("compute").begin_array();
    for (const std::string& mode : target.compute) json.text(mode);
    json.end_array();
    json.key("shapes");
    if (target.input.shapes.empty()) {
        json.text("dynamic");
    } else {
        json.begin_array();
        for (const SizeHW shape : target.input.shapes) {
            json.begin_array().integer(shape.height).integer(shape.width).end_array();
        }
        json.end_array();
    }
    json.key("bytes").integer(size_of_files(bundle, target));
    json.end_object();
}

void put_bundle(JsonText& json, const Bundle& bundle) {
    json.begin_object();
    json.key("path").text(bundle.path);
    json.key("family").text(bundle.family);
    json.key("names").begin_array();
    for (const std::string& name : bundle.names) json.text(name);
    json.end_array();
    json.key("size_hw").begin_array();
    json.integer(bundle.input.size.height).integer(bundle.input.size.width).end_array();
    json.key("letterbox").text(name_of_mode(bundle.input.letterbox));
    json.key("targets").begin_array();
    for (const Target& target : bundle.targets) put_target(json, bundle, target);
    json.end_array().end_object();
}

std::string as_json(const CpuTopology& topology, const std::optional<Bundle>& bundle,
                    const std::string& note) {
    JsonText json;
    json.begin_object();
    put_machine(json, topology);
    json.key("engines").begin_object();
    for (const std::string& name : engine_names()) json.key(name).text(engine_version(name));
    json.end_object();
    json.key("bundle");
    if (bundle) {
        put_bundle(json, *bundle);
    } else {
        json.null();
        json.key("note").text(note);
    }
    json.end_object();
    return json.str() + "\n";
}

// ------------------------------------------------------------------------------------------------ text

std::string machine_text(const CpuTopology& topology) {
    const CpuPlan plan = plan_cpus({}, topology);
    std::vector<std::vector<std::string>> clusters = {{"cluster", "CPUs", "capacity", "highest frequency"}};
    for (const CpuTier& tier : topology.tiers()) {
        const auto& khz = tier.max_frequency_khz;
        clusters.push_back({std::string(name_of(tier.cluster)), tier.cpus.to_list(),
                            tier.capacity ? std::to_string(*tier.capacity) : "-",
                            khz ? rounded(static_cast<double>(*khz) / 1e6, 2) + " GHz" : "-"});
    }
    std::string text = std::string("yolo-edge ") + version + ", " + platform_name() + "\n";
    text +=
        "kernels for " + std::string(name_of(best_simd_level())) + ", images decoded by " + decoder_name();
    text += "\n\n" + format_table(clusters) + "\nCPUs this process may use: " + topology.allowed().to_list();
    text += " (online: " + topology.online().to_list() + ")\n";
    if (topology.quota_cpus()) {
        text += "its cgroup grants it " + rounded(*topology.quota_cpus(), 2) + " CPUs' worth of time\n";
    }
    return text + "without flags an engine gets " + std::to_string(plan.threads) + " threads on CPUs " +
           plan.engine_cpus.to_list() + "\n";
}

std::string engines_text() {
    std::vector<std::vector<std::string>> engines = {{"engine", "version"}};
    for (const std::string& name : engine_names()) engines.push_back({name, engine_version(name)});
    if (engines.size() == 1) {
        return "no engine is compiled in: configure with -DYOLO_EDGE_NCNN=FETCH, DIR or SYSTEM\n";
    }
    return format_table(engines);
}

std::string bundle_text(const Bundle& bundle) {
    const SizeHW size = bundle.input.size;
    std::string text = "bundle " + bundle.path + ": " + bundle.family + ", " +
                       std::to_string(bundle.names.size()) + " classes, " + std::to_string(size.height) +
                       "x" + std::to_string(size.width) + " " + name_of_mode(bundle.input.letterbox) +
                       "\nclasses: ";
    for (std::size_t i = 0; i < bundle.names.size(); ++i) {
        text += (i == 0 ? "" : ", ") + std::to_string(i) + " " + bundle.names[i];
    }
    std::vector<std::vector<std::string>> targets = {{"target", "weights", "compute", "shapes", "size"}};
    for (const Target& target : bundle.targets) {
        const double megabytes = static_cast<double>(size_of_files(bundle, target)) / 1e6;
        targets.push_back({target.engine, target.weights, joined(target.compute), shapes_text(target),
                           rounded(megabytes, 1) + " MB"});
    }
    return text + "\n\n" + format_table(targets);
}

}  // namespace

int info_command(const std::vector<std::string>& given) {
    std::vector<std::string> named;
    bool json = false;
    ArgumentTable table("yolo-edge-native info",
                        "Show this machine, the engines compiled in and what a bundle holds.\n");
    table.add_positional("BUNDLE",
                         "the bundle; default: $YOLO_EDGE_MODEL, else the only *.edge of the working folder",
                         named, 0, true);
    table.add_switch("--json", "as JSON on standard output", json);
    if (!table.parse(given)) {
        print(table.help());
        return 0;
    }
    const std::optional<std::string> model = named.empty() ? std::nullopt : std::optional(named[0]);
    const CpuTopology topology = CpuTopology::read();
    std::optional<Bundle> bundle;
    std::string note;
    try {
        bundle = load_bundle(find_model(model));
    } catch (const BundleError& error) {
        if (model_is_named(model)) throw;
        note = error.what();
    }
    if (json) {
        print(as_json(topology, bundle, note));
    } else {
        print(machine_text(topology) + "\n" + engines_text() + "\n" +
              (bundle ? bundle_text(*bundle) : note + "\n"));
    }
    return 0;
}

}  // namespace yolo_edge::native
