#include <algorithm>

#include "output.h"
#include "sink.h"

namespace yolo_edge::native {
namespace {

struct ClassCount {
    int class_id;
    int boxes;
};

class TextLines : public Sink {
  public:
    explicit TextLines(const std::vector<std::string>& class_names) : class_names_(class_names) {}

    void write(const Frame& frame, const std::vector<Proposal>& boxes) override {
        if (boxes.empty() && !frame.is_still) return;
        std::string line = frame.source;
        if (!frame.is_still) line += " frame " + std::to_string(frame.index);
        std::string separator = ": ";
        for (const ClassCount& count : counts(boxes)) {
            line += separator + std::to_string(count.boxes) + " " +
                    class_names_.at(static_cast<std::size_t>(count.class_id));
            separator = ", ";
        }
        print(line + (boxes.empty() ? ": nothing\n" : "\n"));
    }

  private:
    /// The most frequent class first, of equals the one with the most confident box.
    static std::vector<ClassCount> counts(const std::vector<Proposal>& boxes) {
        std::vector<ClassCount> result;
        for (const Proposal& box : boxes) {
            const auto same = [&](const ClassCount& count) { return count.class_id == box.class_id; };
            const auto known = std::find_if(result.begin(), result.end(), same);
            if (known == result.end()) {
                result.push_back({box.class_id, 1});
            } else {
                ++known->boxes;
            }
        }
        std::stable_sort(result.begin(), result.end(),
                         [](const ClassCount& a, const ClassCount& b) { return a.boxes > b.boxes; });
        return result;
    }

    const std::vector<std::string>& class_names_;
};

}  // namespace

std::unique_ptr<Sink> text_lines(const std::vector<std::string>& class_names) {
    return std::make_unique<TextLines>(class_names);
}

}  // namespace yolo_edge::native
