// Detects in a drawn image and prints the boxes, as an embedded program would.

#include <yolo_edge/detector.h>
#include <yolo_edge/version.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <vector>

// A warning under -Wshadow and -Wconversion: it compiles only if those flags do not come with the package.
static int unused_shadow(int value) {
    for (int value = 0; value < 2; ++value) (void)static_cast<char>(value);
    const char narrow = value;
    return narrow;
}

int main(int argc, char** argv) {
    std::vector<std::uint8_t> pixels;
    for (int y = 0; y < 90; ++y) {
        for (int x = 0; x < 160; ++x) {
            for (int c = 0; c < 3; ++c) pixels.push_back(static_cast<std::uint8_t>(x * (c + 1) + y * 3));
        }
    }
    if (argc != 2) return 2;
    try {
        yolo_edge::DetectorOptions how;
        how.cpu.threads = 1;
        yolo_edge::Detector detector(argv[1], how);
        yolo_edge::DetectOptions options;
        options.conf = 0.05F;
        const yolo_edge::ImageView image{pixels.data(), 90, 160, 3 * 160, yolo_edge::ChannelOrder::rgb};
        for (const yolo_edge::Proposal& box : detector.detect(image, options).boxes) {
            std::printf("%d %.4f %.2f %.2f %.2f %.2f\n", box.class_id, static_cast<double>(box.score),
                        static_cast<double>(box.x0), static_cast<double>(box.y0), static_cast<double>(box.x1),
                        static_cast<double>(box.y1));
        }
        yolo_edge::Detector("/no/such.edge");
    } catch (const yolo_edge::BundleError& error) {  // thrown in the library, caught here by its type
        std::fprintf(stderr, "refused: %s\n", error.what());
        return unused_shadow(0);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 3;
}
