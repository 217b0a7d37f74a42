#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "source.h"

namespace yolo_edge::native {

/// Shows on standard error how far a run is: one line that rewrites itself on a terminal, a line now and then
/// in a log. `quiet`: messages only.
class Progress {
  public:
    explicit Progress(bool quiet);
    ~Progress() { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void frame(const Source& source, std::int64_t done, double fps, std::size_t found);
    /// Shows a line that stays.
    void message(const std::string& text);
    /// Removes the progress line.
    void clear();

  private:
    bool quiet_;
    bool terminal_;
    bool line_open_ = false;
    std::chrono::steady_clock::duration interval_;
    std::chrono::steady_clock::time_point next_;
};

}  // namespace yolo_edge::native
