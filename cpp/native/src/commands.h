#pragma once

#include <string>
#include <vector>

namespace yolo_edge::native {

/// The commands: each takes what follows its name and returns the exit code. They throw UsageError and
/// std::invalid_argument for wrong usage, and what can be wrong with the world.
int run_command(const std::vector<std::string>& arguments);
int bench_command(const std::vector<std::string>& arguments);
int info_command(const std::vector<std::string>& arguments);

}  // namespace yolo_edge::native
