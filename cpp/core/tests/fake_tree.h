#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace yolo_edge::testing {

/// A made-up root folder in the place for temporary files, removed with this object.
class FakeTree {
  public:
    FakeTree() {
        std::string name = (std::filesystem::temp_directory_path() / "yolo-edge-tree-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder like " + name);
        root_ = name;
    }
    ~FakeTree() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    FakeTree(const FakeTree&) = delete;
    FakeTree& operator=(const FakeTree&) = delete;

    std::string root() const { return root_.string(); }

    void write(const std::string& path, const std::string& text) const {
        std::filesystem::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }

    /// A file of one CPU's folder.
    void write_cpu(int cpu, const std::string& path, const std::string& text) const {
        write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/" + path, text + "\n");
    }

    void write_online(const std::string& list) const { write("sys/devices/system/cpu/online", list + "\n"); }

  private:
    std::filesystem::path root_;
};

}  // namespace yolo_edge::testing
