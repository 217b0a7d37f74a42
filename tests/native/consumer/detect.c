/* The same through the C interface. */

#include <stdint.h>
#include <stdio.h>
#include <yolo_edge.h>

enum { height = 90, width = 160 };
static uint8_t pixels[3 * height * width];

int main(int argc, char** argv) {
    yolo_edge_detector_options how;
    yolo_edge_detect_options options;
    yolo_edge_detector* detector = NULL;
    yolo_edge_results* results = NULL;
    size_t i;

    for (i = 0; i < sizeof(pixels); ++i) {
        const size_t x = i / 3 % width, y = i / 3 / width, c = i % 3;
        pixels[i] = (uint8_t)(x * (c + 1) + y * 3);
    }
    yolo_edge_detector_options_init(&how, sizeof(how));
    yolo_edge_detect_options_init(&options, sizeof(options));
    how.threads = 1;
    options.conf = 0.05F;
    if (argc != 2 || yolo_edge_detector_create(argv[1], &how, &detector) != YOLO_EDGE_OK ||
        yolo_edge_results_create(&results) != YOLO_EDGE_OK ||
        yolo_edge_detect(detector, pixels, height, width, 3 * width, YOLO_EDGE_RGB, &options, results) !=
            YOLO_EDGE_OK) {
        fprintf(stderr, "%s\n", yolo_edge_last_error());
        return 1;
    }
    for (i = 0; i < yolo_edge_results_count(results); ++i) {
        const yolo_edge_box box = yolo_edge_results_boxes(results)[i];
        printf("%d %.4f %.2f %.2f %.2f %.2f\n", (int)box.class_id, (double)box.score, (double)box.x0,
               (double)box.y0, (double)box.x1, (double)box.y1);
    }
    yolo_edge_results_destroy(results);
    yolo_edge_detector_destroy(detector);
    return 0;
}
