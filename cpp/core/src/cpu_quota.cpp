#include "cpu_quota.h"

#include <algorithm>

namespace yolo_edge {
namespace {

std::optional<double> ratio(std::optional<std::int64_t> quota_us, std::optional<std::int64_t> period_us) {
    if (!quota_us || !period_us || *quota_us <= 0 || *period_us <= 0) return std::nullopt;
    return static_cast<double>(*quota_us) / static_cast<double>(*period_us);
}

/// cgroup v2: "max 100000" or "150000 100000".
std::optional<double> quota_v2(const SystemFiles& files, const std::string& folder) {
    const std::optional<std::string> text = files.line(folder + "/cpu.max");
    if (!text) return std::nullopt;
    const std::size_t blank = std::min(text->find(' '), text->size());
    return ratio(number_in(text->substr(0, blank)), number_in(text->substr(blank)));
}

/// cgroup v1: a quota of -1 is none.
std::optional<double> quota_v1(const SystemFiles& files, const std::string& folder) {
    return ratio(files.positive(folder + "/cpu.cfs_quota_us"), files.positive(folder + "/cpu.cfs_period_us"));
}

using ReadQuota = std::optional<double> (*)(const SystemFiles&, const std::string&);

/// Reads the limit in every folder from `mount` + `path` up to `mount`.
///
/// In a container `path` may be the host's name of a cgroup that is mounted at `mount` itself, or start with
/// ".." when the process lives outside its namespace: folders that do not exist grant no limit, `mount`
/// counts.
void walk_up(const SystemFiles& files, const std::string& mount, std::string path, ReadQuota read,
             std::optional<double>& smallest) {
    if (path.substr(0, 1) != "/" || path.find("/..") != std::string::npos) path.clear();
    while (true) {
        while (!path.empty() && path.back() == '/') path.pop_back();
        if (const std::optional<double> quota = read(files, mount + path)) {
            smallest = smallest ? std::min(*smallest, *quota) : *quota;
        }
        if (path.empty()) return;
        path.resize(path.rfind('/'));
    }
}

bool names_cpu(std::string_view controllers) {
    while (!controllers.empty()) {
        const std::size_t comma = std::min(controllers.find(','), controllers.size());
        if (controllers.substr(0, comma) == "cpu") return true;
        controllers.remove_prefix(std::min(comma + 1, controllers.size()));
    }
    return false;
}

}  // namespace

std::optional<double> cpu_quota(const SystemFiles& files) {
    const std::string mount = "sys/fs/cgroup";
    std::optional<double> smallest;
    walk_up(files, mount, "", quota_v2, smallest);
    for (const std::string& line : files.lines("proc/self/cgroup")) {  // hierarchy:controllers:path
        const std::size_t first = line.find(':');
        const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string path = line.substr(second + 1);
        if (controllers.empty()) {
            walk_up(files, mount, path, quota_v2, smallest);
        } else if (names_cpu(controllers)) {
            walk_up(files, mount + "/" + controllers, path, quota_v1, smallest);
            if (controllers != "cpu") walk_up(files, mount + "/cpu", path, quota_v1, smallest);
        }
    }
    return smallest;
}

}  // namespace yolo_edge
