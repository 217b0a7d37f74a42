// The cases of tests/data/precision_cases.json, which say what they mean; the Python rule has the same.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "precision.h"
#include "yolo_edge/errors.h"

using namespace yolo_edge;
using Json = nlohmann::ordered_json;

namespace {

Bundle bundle_of(const Json& c) {
    Bundle bundle;
    bundle.path = "case.edge";
    for (const Json& entry : c.at("targets")) {
        Target target;
        target.engine = entry.at(0).get<std::string>();
        target.weights = entry.at(1).get<std::string>();
        target.compute = entry.at(2).get<std::vector<std::string>>();
        bundle.targets.push_back(target);
    }
    return bundle;
}

template <typename Error>
std::string error_of(const Bundle& bundle, const Json& c, const std::vector<EngineEntry>& engines) {
    try {
        choose_target(bundle, c.value("engine", "auto"), c.value("precision", "auto"), engines,
                      c.value("half", false));
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a target and its arithmetic are chosen as the table says") {
    std::ifstream file(YOLO_EDGE_TEST_DATA "/precision_cases.json");
    const Json table = Json::parse(file);
    std::vector<EngineEntry> engines;
    for (const auto& [name, precisions] : table.at("engines").items()) {
        EngineEntry entry{name, {}, nullptr, nullptr};
        for (const Json& precision : precisions) {
            entry.precisions.push_back(precision.get_ref<const std::string&>());
        }
        engines.push_back(entry);
    }
    REQUIRE(engines.size() == 3);
    for (const Json& c : table.at("cases")) {
        CAPTURE(c.at("name").get<std::string>());
        const Bundle bundle = bundle_of(c);
        if (!c.contains("selects")) {
            const bool refused = c.contains("refused");
            const auto part = c.at(refused ? "refused" : "lacks").get<std::string>();
            const std::string error = refused ? error_of<std::invalid_argument>(bundle, c, engines)
                                              : error_of<BundleError>(bundle, c, engines);
            CHECK_MESSAGE(error.find(part) != std::string::npos, error);
            continue;
        }
        const std::string wanted = c.value("precision", "auto");
        const bool half = c.value("half", false);
        const Selection found = choose_target(bundle, c.value("engine", "auto"), wanted, engines, half);
        CHECK(found.target - bundle.targets.data() == c.at("selects").at(0).get<int>());
        CHECK(found.compute == c.at("selects").at(1).get<std::string>());
        const EngineEntry& engine = find_engine(engines, found.target->engine);
        CHECK(choose_precision(*found.target, engine, wanted, half) == found.compute);
    }
}
