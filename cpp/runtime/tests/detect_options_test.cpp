#include "yolo_edge/detect_options.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace yolo_edge;

TEST_CASE("classes are ids, names or a mixture") {
    const std::vector<std::string> names = {"person", "car", "2", "car", "traffic light"};
    struct Case {
        std::vector<std::string> classes;
        std::vector<int> ids;
    };
    const Case cases[] = {
        {{}, {}},
        {{"car"}, {1}},  // the first of two
        {{"3", "0", "person", "03", " 4 "}, {0, 3, 4}},
        {{"2"}, {2}},
        {{"traffic light"}, {4}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.classes);
        CHECK(resolve_classes(c.classes, names) == c.ids);
    }
}

TEST_CASE("every unknown class is told, with what the model knows") {
    const std::vector<std::string> names = {"person", "car"};
    CHECK_THROWS_WITH_AS(resolve_classes({"bus", "car", "2", "-1", "", "1.0", "99999999999999999999"}, names),
                         "the model has no class bus, 2, -1, , 1.0, 99999999999999999999; it has: 0 person, "
                         "1 car",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(resolve_classes({""}, names), "the model has no class ; it has: 0 person, 1 car",
                         std::invalid_argument);
    CHECK_THROWS_AS(resolve_classes({"Person"}, names), std::invalid_argument);
    CHECK_THROWS_AS(resolve_classes({"0"}, {}), std::invalid_argument);
}
