#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace yolo_edge::native {

/// The path as Python's `str(Path(text))` writes it, so that both commands call a file the same:
/// no "./", no doubled or trailing slashes, "." for nothing.
std::string normal_path(std::string_view text);

/// The file name's end from its last dot, in lower case; "" when there is none or it is the whole name.
std::string lower_suffix(std::string_view path);

bool is_image_name(std::string_view path);
bool is_video_name(std::string_view path);

/// The images and videos directly in a folder, in the order of their names. Throws SourceError when it cannot
/// be read.
std::vector<std::string> media_in_folder(const std::string& folder);

/// The files that a pattern with *, ?, [] and, for any depth of folders, ** stands for; sorted. Hidden files
/// and folders have to be named.
std::vector<std::string> files_matching(const std::string& pattern);

/// Replaces the credentials of every URL in a text by `***`.
std::string redact(std::string_view text);

}  // namespace yolo_edge::native
