#pragma once

#include <string>
#include <string_view>

namespace yolo_edge::native {

/// A file or standard output, written without a buffer: what write() took is in the kernel's hands.
class Output {
  public:
    /// Replaces a file, or takes standard output for "-". Throws SinkError.
    explicit Output(const std::string& target);
    ~Output();
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    /// Throws SinkError, BrokenPipe when the reader is gone, Interrupted when it waited for a reader.
    void write(std::string_view text);
    /// Throws SinkError: some file systems tell of a full disk only here.
    void close();

  private:
    void open(const std::string& path);
    void wait_for_room() const;
    [[noreturn]] void fail(int error) const;

    std::string name_;
    int file_ = -1;
    bool owned_ = false;
    bool is_regular_ = false;
};

/// Writes to standard output, as Output does.
void print(std::string_view text);

}  // namespace yolo_edge::native
