#include "yolo_edge/cpu_set.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace yolo_edge;

namespace {

std::string parse_error(const std::string& text) {
    try {
        CpuSet::parse(text);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("CpuSet reads lists and masks") {
    struct Case {
        const char* text;
        std::vector<int> cpus;
        const char* list;
    };
    const Case cases[] = {
        {"0", {0}, "0"},
        {"4", {4}, "4"},  // a CPU, not a mask
        {"10", {10}, "10"},
        {"0-3,6", {0, 1, 2, 3, 6}, "0-3,6"},
        {"6,0-3,2,6", {0, 1, 2, 3, 6}, "0-3,6"},
        {" 0 - 1 , 3\n", {0, 1, 3}, "0-1,3"},
        {"5-5", {5}, "5"},
        {"62-65,1023,8191", {62, 63, 64, 65, 1023, 8191}, "62-65,1023,8191"},
        {"0x1", {0}, "0"},
        {"0xf0", {4, 5, 6, 7}, "4-7"},
        {"0XA5", {0, 2, 5, 7}, "0,2,5,7"},
        {"0x10000000000000001", {0, 64}, "0,64"},
        {"0x0000000000000000000000000000000000000008", {3}, "3"},
        {"0x0", {}, ""},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const CpuSet set = CpuSet::parse(c.text);
        CHECK(std::vector<int>(set.begin(), set.end()) == c.cpus);
        CHECK(set == CpuSet(c.cpus));
        CHECK(set.size() == c.cpus.size());
        CHECK(set.to_list() == c.list);
        if (!set.empty()) CHECK(CpuSet::parse(set.to_list()) == set);
    }
}

TEST_CASE("CpuSet refuses everything else and says what it takes") {
    const std::string forms = "; write a list such as '0-3,6' or a mask such as '0xf0'";
    CHECK(parse_error("") == "'' is no set of CPUs: it is empty" + forms);
    CHECK(parse_error(" \n") == "' ?' is no set of CPUs: it is empty" + forms);
    CHECK(parse_error("f0") == "'f0' is no set of CPUs: 'f0' is no CPU number" + forms);
    CHECK(parse_error("1,,2") == "'1,,2' is no set of CPUs: '' is no CPU number" + forms);
    CHECK(parse_error("1,") == "'1,' is no set of CPUs: '' is no CPU number" + forms);
    CHECK(parse_error("-1") == "'-1' is no set of CPUs: '' is no CPU number" + forms);
    CHECK(parse_error("1--2") == "'1--2' is no set of CPUs: '-2' is no CPU number" + forms);
    CHECK(parse_error("1.5") == "'1.5' is no set of CPUs: '1.5' is no CPU number" + forms);
    CHECK(parse_error("+1") == "'+1' is no set of CPUs: '+1' is no CPU number" + forms);
    CHECK(parse_error("3-1") == "'3-1' is no set of CPUs: the range '3-1' runs backwards" + forms);
    CHECK(parse_error("0x") == "'0x' is no set of CPUs: no digits follow 0x" + forms);
    CHECK(parse_error("0x1g") == "'0x1g' is no set of CPUs: 'g' is no hexadecimal digit" + forms);
    CHECK(parse_error("0x-1") == "'0x-1' is no set of CPUs: '-' is no hexadecimal digit" + forms);
    CHECK(parse_error("big") == "'big' is no set of CPUs: 'big' is no CPU number" + forms);
    CHECK(parse_error("8192") == "'8192' is no set of CPUs: CPU numbers end at 8191" + forms);
    CHECK(parse_error("0-99999999999") ==
          "'0-99999999999' is no set of CPUs: CPU numbers end at 8191" + forms);
    CHECK(parse_error("0-99999999999999999999999") ==
          "'0-99999999999999999999999' is no set of CPUs: CPU numbers end at 8191" + forms);
    CHECK(parse_error("0x1" + std::string(2048, '0')).find("CPU numbers end at 8191") != std::string::npos);
    CHECK(parse_error(std::string(1'000'000, 'x')).size() < 400);
    CHECK(parse_error(std::string("0\0\xe2\x80", 4)) ==
          "'0\?\?\?' is no set of CPUs: '0\?\?\?' is no CPU number" + forms);
}

TEST_CASE("a long text of wide ranges costs no more memory than a short one") {
    std::string text = "0-8191";
    for (int i = 0; i < 2'000; ++i) text += ",0-8191";
    CHECK(CpuSet::parse(text).size() == 8192);
}

TEST_CASE("CpuSet is made from numbers") {
    CHECK(CpuSet().empty());
    CHECK(CpuSet{3, 1, 3} == CpuSet(std::vector<int>{1, 3}));
    CHECK_THROWS_WITH_AS(CpuSet({-1}), "CPU number is -1; it must be 0..8191", std::invalid_argument);
    CHECK_THROWS_WITH_AS(CpuSet({0, 8192}), "CPU number is 8192; it must be 0..8191", std::invalid_argument);
}

TEST_CASE("CpuSet answers as a set") {
    const CpuSet low = CpuSet::parse("0-4");
    const CpuSet high = CpuSet::parse("3-100");
    CHECK((low & high) == CpuSet{3, 4});
    CHECK((low - high) == CpuSet{0, 1, 2});
    CHECK((low | high) == CpuSet::parse("0-100"));
    CHECK((low & CpuSet()).empty());
    CHECK((CpuSet() | low) == low);
    CHECK(low.contains(4));
    CHECK_FALSE(low.contains(5));
    CHECK_FALSE(low.contains(-1));
    CHECK(low.includes(CpuSet{0, 4}));
    CHECK(low.includes(CpuSet()));
    CHECK_FALSE(low.includes(high));
    CHECK(low != high);
}
