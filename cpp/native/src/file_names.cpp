#include "file_names.h"

#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "errors.h"

namespace yolo_edge::native {
namespace fs = std::filesystem;
namespace {

// As the Python sources have them, whatever of it this build can decode.
constexpr std::string_view image_suffixes =
    " .avif .bmp .dib .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp ";
constexpr std::string_view video_suffixes =
    " .3gp .asf .avi .flv .gif .m2ts .m4v .mjpeg .mjpg .mkv .mov .mp4 .mpeg .mpg .ts .webm .wmv ";

bool is_listed(std::string_view list, std::string_view path) {
    const std::string suffix = lower_suffix(path);
    return !suffix.empty() && list.find(" " + suffix + " ") != std::string_view::npos;
}

std::string joined(const std::string& folder, const std::string& name) {
    if (folder == ".") return name;
    return folder.back() == '/' ? folder + name : folder + "/" + name;
}

/// Component by component, so that "a/x" comes before "a-b/x", as Python sorts paths.
void sort_paths(std::vector<std::string>& paths) {
    std::sort(paths.begin(), paths.end(), [](const std::string& a, const std::string& b) {
        return fs::path(a).compare(fs::path(b)) < 0;
    });
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
}

std::vector<std::string> entries_of(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        names.push_back(entry->path().filename().string());
    }
    return names;
}

std::vector<std::string> split(std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        if (slash > 0 && path.substr(0, slash) != ".") parts.emplace_back(path.substr(0, slash));
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return parts;
}

/// Adds what parts[from...] matches below `folder`.
void match(const std::string& folder, const std::vector<std::string>& parts, std::size_t from,
           std::vector<std::string>& found) {
    std::error_code error;
    if (from == parts.size()) {
        if (fs::is_regular_file(folder, error)) found.push_back(folder);
        return;
    }
    const std::string& part = parts[from];
    if (part.find_first_of("*?[") == std::string::npos) {
        const std::string path = joined(folder, part);
        if (fs::exists(path, error)) match(path, parts, from + 1, found);
        return;
    }
    const bool any_depth = part == "**";
    const bool last = from + 1 == parts.size();
    if (any_depth && !last) match(folder, parts, from + 1, found);
    for (const std::string& name : entries_of(folder)) {
        if (fnmatch(any_depth ? "*" : part.c_str(), name.c_str(), FNM_PERIOD | FNM_NOESCAPE) != 0) continue;
        const std::string path = joined(folder, name);
        if (!any_depth) {
            match(path, parts, from + 1, found);
            continue;
        }
        // A link to a folder above would never end.
        if (fs::is_directory(path, error) && !fs::is_symlink(path, error)) match(path, parts, from, found);
        if (last && fs::is_regular_file(path, error)) found.push_back(path);
    }
}

}  // namespace

std::string normal_path(std::string_view text) {
    // POSIX leaves the meaning of exactly two leading slashes open, so Python keeps them.
    const std::size_t slashes = std::min(text.find_first_not_of('/'), text.size());
    std::string path = slashes == 0 ? "" : slashes == 2 ? "//" : "/";
    for (const std::string& part : split(text)) {
        if (!path.empty() && path.back() != '/') path += '/';
        path += part;
    }
    return path.empty() ? "." : path;
}

std::string lower_suffix(std::string_view path) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0 || dot + 1 == name.size()) return "";
    std::string suffix(name.substr(dot));
    for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return suffix;
}

bool is_image_name(std::string_view path) {
    return is_listed(image_suffixes, path);
}

bool is_video_name(std::string_view path) {
    return is_listed(video_suffixes, path);
}

std::vector<std::string> media_in_folder(const std::string& folder) {
    std::error_code error;
    const fs::directory_iterator readable(folder, error);
    if (error) throw SourceError(folder + ": cannot be read: " + error.message());
    std::vector<std::string> paths;
    for (const std::string& name : entries_of(folder)) {
        std::string path = joined(folder, name);
        if ((is_image_name(name) || is_video_name(name)) && fs::is_regular_file(path, error)) {
            paths.push_back(std::move(path));
        }
    }
    sort_paths(paths);
    return paths;
}

std::vector<std::string> files_matching(const std::string& pattern) {
    std::vector<std::string> found;
    match(pattern.rfind('/', 0) == 0 ? "/" : ".", split(pattern), 0, found);
    sort_paths(found);
    return found;
}

std::string redact(std::string_view text) {
    const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
    std::string shown;
    for (std::size_t mark; (mark = text.find("://")) != std::string_view::npos;) {
        const std::size_t after = mark + 3;
        shown += text.substr(0, after);
        const std::size_t stop = text.find_first_of("/@ \t\n\r\f\v", after);
        const bool scheme = mark > 0 && is_word(text[mark - 1]);
        text.remove_prefix(after);
        if (scheme && stop != std::string_view::npos && stop > after && text[stop - after] == '@') {
            shown += "***";
            text.remove_prefix(stop - after);
        }
    }
    return shown.append(text);
}

}  // namespace yolo_edge::native
