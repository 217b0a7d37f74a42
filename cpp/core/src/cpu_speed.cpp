#include "cpu_speed.h"

#include <algorithm>
#include <functional>

#include "trimmed.h"

namespace yolo_edge {
namespace {

constexpr int arm = 0x41;
constexpr int qualcomm = 0x51;

/// Work per MHz of known cores. Only ratios count, and only roughly: ARM's DMIPS/MHz, times 100, for the
/// older ones; for the newer ones ARM's announced gains over their forerunners and the `capacity-dmips-mhz`
/// ratios of Linux device trees.
struct KnownPart {
    int implementer;
    int part;
    int work_per_mhz;
};
constexpr KnownPart known_parts[] = {
    {arm, 0xc05, 157},       // Cortex-A5
    {arm, 0xc07, 190},       // A7
    {arm, 0xc08, 200},       // A8
    {arm, 0xc09, 250},       // A9
    {arm, 0xc0d, 300},       // A12
    {arm, 0xc0e, 350},       // A17
    {arm, 0xc0f, 350},       // A15
    {arm, 0xd01, 200},       // A32
    {arm, 0xd02, 180},       // A34
    {arm, 0xd03, 230},       // A53
    {arm, 0xd04, 180},       // A35
    {arm, 0xd05, 270},       // A55
    {arm, 0xd07, 410},       // A57
    {arm, 0xd08, 470},       // A72
    {arm, 0xd09, 480},       // A73
    {arm, 0xd0a, 520},       // A75
    {arm, 0xd0b, 600},       // A76
    {arm, 0xd0d, 680},       // A77
    {arm, 0xd41, 730},       // A78
    {arm, 0xd4b, 730},       // A78C
    {arm, 0xd47, 790},       // A710
    {arm, 0xd4d, 830},       // A715
    {arm, 0xd81, 870},       // A720
    {arm, 0xd87, 930},       // A725
    {arm, 0xd44, 900},       // X1
    {arm, 0xd4c, 900},       // X1C
    {arm, 0xd48, 1000},      // X2
    {arm, 0xd4e, 1100},      // X3
    {arm, 0xd82, 1200},      // X4
    {arm, 0xd85, 1400},      // X925
    {arm, 0xd46, 340},       // A510
    {arm, 0xd80, 370},       // A520
    {qualcomm, 0x800, 480},  // Kryo 2xx Gold, an A73
    {qualcomm, 0x801, 230},  // Kryo 2xx Silver, an A53
    {qualcomm, 0x802, 520},  // Kryo 3xx Gold, an A75
    {qualcomm, 0x803, 270},  // Kryo 3xx Silver, an A55
    {qualcomm, 0x804, 600},  // Kryo 4xx Gold, an A76
    {qualcomm, 0x805, 270},  // Kryo 4xx Silver, an A55
};

using Number = std::optional<std::int64_t>;

Number work_per_mhz(Number implementer, Number part) {
    for (const KnownPart& known : known_parts) {
        if (implementer == known.implementer && part == known.part) return known.work_per_mhz;
    }
    return std::nullopt;
}

std::string cpu_folder(int cpu) {
    return "sys/devices/system/cpu/cpu" + std::to_string(cpu);
}

Number work_from_midr(const SystemFiles& files, int cpu) {
    const std::optional<std::string> text = files.line(cpu_folder(cpu) + "/regs/identification/midr_el1");
    const Number midr = text ? number_in(*text, 16) : std::nullopt;
    if (!midr) return std::nullopt;
    return work_per_mhz(*midr >> 24 & 0xff, *midr >> 4 & 0xfff);
}

/// By CPU number, from ARM's /proc/cpuinfo: blocks of "key : value" lines, divided by empty lines.
std::map<int, Number> work_from_cpuinfo(const SystemFiles& files) {
    std::map<int, Number> work;
    Number cpu;
    Number implementer;
    for (const std::string& line : files.lines("proc/cpuinfo")) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) {
            cpu = implementer = std::nullopt;
            continue;
        }
        const std::string_view key = trimmed(std::string_view(line).substr(0, colon));
        const std::string_view value = std::string_view(line).substr(colon + 1);
        if (key == "processor") cpu = number_in(value);
        if (key == "CPU implementer") implementer = number_in(value, 16);
        if (key == "CPU part" && cpu && *cpu >= 0 && *cpu < CpuSet::limit) {
            work[static_cast<int>(*cpu)] = work_per_mhz(implementer, number_in(value, 16));
        }
    }
    return work;
}

/// True when every score is known and they are not all the same.
bool tells_apart(const std::map<int, Number>& scores) {
    if (scores.empty()) return false;
    const Number first = scores.begin()->second;
    bool differ = false;
    for (const auto& [cpu, score] : scores) {
        if (!score) return false;
        differ = differ || score != first;
    }
    return differ;
}

}  // namespace

CpuSpeeds read_cpu_speeds(const SystemFiles& files, const CpuSet& cpus) {
    CpuSpeeds speeds;
    for (const int cpu : cpus) {
        CpuSpeed& speed = speeds.by_cpu[cpu];
        speed.capacity = files.positive(cpu_folder(cpu) + "/cpu_capacity");
        speed.max_frequency_khz = files.positive(cpu_folder(cpu) + "/cpufreq/cpuinfo_max_freq");
    }
    const auto scored = [&](const char* ranked_by, const std::function<Number(int)>& score_of) {
        std::map<int, Number> scores;
        for (const int cpu : cpus) scores[cpu] = score_of(cpu);
        if (!tells_apart(scores)) return false;
        for (auto& [cpu, speed] : speeds.by_cpu) speed.score = *scores[cpu];
        speeds.ranked_by = ranked_by;
        return true;
    };

    if (scored("cpu_capacity", [&](int cpu) { return speeds.by_cpu[cpu].capacity; })) return speeds;

    const bool frequencies_known =
        std::all_of(speeds.by_cpu.begin(), speeds.by_cpu.end(),
                    [](const auto& item) { return item.second.max_frequency_khz.has_value(); });
    std::map<int, Number> cpuinfo = work_from_cpuinfo(files);
    const auto by_part = [&](int cpu) {
        Number work = work_from_midr(files, cpu);
        if (!work) work = cpuinfo[cpu];
        if (work && frequencies_known) *work *= *speeds.by_cpu[cpu].max_frequency_khz;
        return work;
    };
    if (scored("CPU part", by_part)) return speeds;

    if (scored("cpuinfo_max_freq", [&](int cpu) { return speeds.by_cpu[cpu].max_frequency_khz; }))
        return speeds;

    const std::optional<CpuSet> core = files.cpus("sys/devices/cpu_core/cpus");
    const std::optional<CpuSet> atom = files.cpus("sys/devices/cpu_atom/cpus");
    const auto by_type = [&](int cpu) -> Number {
        if (core && core->contains(cpu)) return 2;
        if (atom && atom->contains(cpu)) return 1;
        return std::nullopt;
    };
    if (scored("core type", by_type)) return speeds;

    speeds.ranked_by = "nothing";
    return speeds;
}

}  // namespace yolo_edge
