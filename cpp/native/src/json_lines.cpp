#include <array>
#include <ctime>

#include "file_names.h"
#include "json_text.h"
#include "output.h"
#include "sink.h"

namespace yolo_edge::native {
namespace {

std::string iso_utc(std::chrono::system_clock::time_point moment) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(moment.time_since_epoch());
    const std::time_t seconds = static_cast<std::time_t>(since.count() / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    const std::string milliseconds = std::to_string(1000 + since.count() % 1000);
    return std::string(text.data()) + "." + milliseconds.substr(1) + "Z";
}

class JsonLines : public Sink {
  public:
    JsonLines(const std::string& target, const std::vector<std::string>& class_names)
        : target_(target), output_(target), class_names_(class_names) {}

    void write(const Frame& frame, const std::vector<Proposal>& boxes) override {
        begin(frame.source, frame.index);
        line_.key("time_s").number(frame.time_s, 6);
        line_.key("captured_at").text(iso_utc(frame.captured_at));
        const std::chrono::duration<double, std::milli> age =
            std::chrono::steady_clock::now() - frame.captured_clock;
        line_.key("age_ms").number(age.count(), 1);
        line_.key("width").integer(frame.image.view.width);
        line_.key("height").integer(frame.image.view.height);
        line_.key("detections").begin_array();
        for (const Proposal& box : boxes) append(box);
        line_.end_array();
        end();
    }

    void fail(const FailedFrame& failed) override {
        begin(failed.source, failed.index);
        line_.key("captured_at").text(iso_utc(failed.captured_at));
        line_.key("error").text(redact(failed.error));
        end();
    }

    void close() override { output_.close(); }

    std::optional<std::string> summary() const override {
        if (target_ == "-") return std::nullopt;
        return std::to_string(lines_) + " lines in " + target_;
    }

  private:
    void begin(const std::string& source, std::int64_t index) {
        line_.clear();
        line_.begin_object();
        line_.key("source").text(redact(source));
        line_.key("frame").integer(index);
    }

    void append(const Proposal& box) {
        line_.begin_object();
        line_.key("class_id").integer(box.class_id);
        line_.key("name").text(class_names_.at(static_cast<std::size_t>(box.class_id)));
        line_.key("confidence").number(static_cast<double>(box.score), 6);
        line_.key("xyxy").begin_array();
        for (const float side : {box.x0, box.y0, box.x1, box.y1}) line_.number(static_cast<double>(side), 4);
        line_.end_array().end_object();
    }

    void end() {
        line_.end_object();
        output_.write(line_.str() + "\n");
        ++lines_;
    }

    std::string target_;
    Output output_;
    const std::vector<std::string>& class_names_;
    JsonText line_;
    std::int64_t lines_ = 0;
};

}  // namespace

std::unique_ptr<Sink> json_lines(const std::string& target, const std::vector<std::string>& class_names) {
    return std::make_unique<JsonLines>(target, class_names);
}

}  // namespace yolo_edge::native
