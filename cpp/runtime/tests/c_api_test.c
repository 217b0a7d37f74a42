/* The C interface from C99. Without arguments: everything that needs no model. With a bundle folder:
 * detection. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yolo_edge.h"

static int failures = 0;

#define CHECK(condition)                                                                                    \
    do {                                                                                                    \
        if (!(condition)) {                                                                                 \
            fprintf(stderr, "line %d: %s; last error: %s\n", __LINE__, #condition, yolo_edge_last_error()); \
            ++failures;                                                                                     \
        }                                                                                                   \
    } while (0)

static int last_error_has(const char* text) {
    return strstr(yolo_edge_last_error(), text) != NULL;
}

static void test_facts(void) {
    size_t i;
    CHECK(strlen(yolo_edge_version()) >= 5);
    CHECK(strcmp(yolo_edge_last_error(), "") == 0);
    for (i = 0; yolo_edge_engine_name(i) != NULL; ++i) CHECK(strlen(yolo_edge_engine_version(i)) > 0);
    CHECK(yolo_edge_engine_version(i) == NULL);
    CHECK(yolo_edge_engine_name((size_t)-1) == NULL);
}

static void test_options(void) {
    yolo_edge_detector_options detector_options;
    yolo_edge_detect_options options;
    /* A program of an older version knows the first fields only; one of a newer version more than we do. */
    struct {
        yolo_edge_detect_options known;
        int64_t unknown;
    } newer;
    unsigned char older[sizeof(size_t) + sizeof(void*) + 1];

    CHECK(yolo_edge_detector_options_init(&detector_options, sizeof(detector_options)) == YOLO_EDGE_OK);
    CHECK(detector_options.struct_size == sizeof(detector_options));
    CHECK(strcmp(detector_options.engine, "auto") == 0 && strcmp(detector_options.precision, "auto") == 0);
    CHECK(detector_options.threads == 0 && detector_options.cluster == NULL && detector_options.height == 0);

    CHECK(yolo_edge_detect_options_init(&options, sizeof(options)) == YOLO_EDGE_OK);
    CHECK(options.conf > 0.2F && options.iou > 0.4F && options.max_detections == 300 &&
          options.classes == NULL);

    memset(&newer, 0xFF, sizeof(newer));
    CHECK(yolo_edge_detect_options_init(&newer.known, sizeof(newer)) == YOLO_EDGE_OK);
    CHECK(newer.known.struct_size == sizeof(newer) && newer.unknown == 0);

    memset(older, 0xAA, sizeof(older));
    CHECK(yolo_edge_detect_options_init((yolo_edge_detect_options*)(void*)older, sizeof(older) - 1) ==
          YOLO_EDGE_OK);
    CHECK(older[sizeof(older) - 1] == 0xAA);

    CHECK(yolo_edge_detect_options_init(NULL, sizeof(options)) == YOLO_EDGE_BAD_ARGUMENT);
    CHECK(last_error_has("options is NULL"));
    CHECK(yolo_edge_detect_options_init(&options, 0) == YOLO_EDGE_BAD_ARGUMENT);
    CHECK(last_error_has("struct_size is 0"));
}

static void test_refusals(void) {
    yolo_edge_detector_options options;
    yolo_edge_results* results = NULL;
    yolo_edge_detector* detector = (yolo_edge_detector*)(void*)&results;
    const uint8_t pixel[3] = {0, 0, 0};

    CHECK(yolo_edge_detector_create("/no/such.edge", NULL, &detector) == YOLO_EDGE_BAD_BUNDLE);
    CHECK(detector == NULL);
    CHECK(last_error_has("/no/such.edge"));
    CHECK(yolo_edge_detector_create(NULL, NULL, &detector) == YOLO_EDGE_BAD_ARGUMENT);
    CHECK(yolo_edge_detector_create("x.edge", NULL, NULL) == YOLO_EDGE_BAD_ARGUMENT);

    CHECK(yolo_edge_detector_options_init(&options, sizeof(options)) == YOLO_EDGE_OK);
    options.cluster = "huge";
    CHECK(yolo_edge_detector_create("x.edge", &options, &detector) == YOLO_EDGE_BAD_ARGUMENT);
    CHECK(last_error_has("huge") && last_error_has("little"));
    options.cluster = NULL;
    options.letterbox = "stretch";
    CHECK(yolo_edge_detector_create("x.edge", &options, &detector) == YOLO_EDGE_BAD_ARGUMENT);
    CHECK(last_error_has("rect or square"));
    options.letterbox = NULL;
    options.struct_size = 3;
    CHECK(yolo_edge_detector_create("x.edge", &options, &detector) == YOLO_EDGE_BAD_ARGUMENT);

    CHECK(yolo_edge_results_create(NULL) == YOLO_EDGE_BAD_ARGUMENT);
    CHECK(yolo_edge_results_create(&results) == YOLO_EDGE_OK);
    CHECK(yolo_edge_results_count(results) == 0 && yolo_edge_results_boxes(results) == NULL);
    CHECK(yolo_edge_detect(NULL, pixel, 1, 1, 3, YOLO_EDGE_BGR, NULL, results) == YOLO_EDGE_BAD_ARGUMENT);
    CHECK(last_error_has("detector is NULL"));
    CHECK(yolo_edge_detect(NULL, pixel, 1, 1, 3, YOLO_EDGE_BGR, NULL, NULL) == YOLO_EDGE_BAD_ARGUMENT);
    yolo_edge_results_destroy(results);

    yolo_edge_results_destroy(NULL);
    yolo_edge_detector_destroy(NULL);
    CHECK(yolo_edge_detector_class_count(NULL) == 0 && yolo_edge_detector_class_name(NULL, 0) == NULL);
    CHECK(yolo_edge_detector_engine(NULL) == NULL && yolo_edge_detector_threads(NULL) == 0);
    CHECK(yolo_edge_results_count(NULL) == 0 && yolo_edge_results_boxes(NULL) == NULL);
    CHECK(yolo_edge_results_times(NULL).inference_ms <= 0);
}

static int same_boxes(const yolo_edge_results* results, const yolo_edge_box* boxes, size_t count) {
    return yolo_edge_results_count(results) == count &&
           (count == 0 || memcmp(yolo_edge_results_boxes(results), boxes, count * sizeof(boxes[0])) == 0);
}

/* A picture with edges: `channels` says where its red goes. Rows are `row_stride` bytes apart. */
static uint8_t* picture(int height, int width, ptrdiff_t row_stride, yolo_edge_channels channels) {
    uint8_t* pixels = (uint8_t*)calloc((size_t)height, (size_t)row_stride);
    int y, x;
    if (pixels == NULL) exit(3);
    for (y = 0; y < height; ++y) {
        for (x = 0; x < width; ++x) {
            uint8_t* pixel = pixels + y * row_stride + 3 * x;
            pixel[channels == YOLO_EDGE_RGB ? 0 : 2] = (uint8_t)(x * 7 + (y / 16 % 2) * 90);
            pixel[1] = (uint8_t)(y * 5);
            pixel[channels == YOLO_EDGE_RGB ? 2 : 0] = (uint8_t)((x / 8 + y / 8) % 2 * 200);
        }
    }
    return pixels;
}

static void test_detection(const char* bundle) {
    enum { height = 90, width = 160 };
    yolo_edge_detector_options detector_options;
    yolo_edge_detect_options options;
    yolo_edge_detector* detector = NULL;
    yolo_edge_results* results = NULL;
    yolo_edge_box* boxes;
    uint8_t* bgr = picture(height, width, 3 * width, YOLO_EDGE_BGR);
    uint8_t* rgb = picture(height, width, 3 * width + 13, YOLO_EDGE_RGB);
    uint8_t* flipped = (uint8_t*)malloc((size_t)(3 * width * height));
    size_t count, i;
    int32_t wanted = 0;

    CHECK(yolo_edge_detector_options_init(&detector_options, sizeof(detector_options)) == YOLO_EDGE_OK);
    detector_options.threads = 1;
    CHECK(yolo_edge_detector_create(bundle, &detector_options, &detector) == YOLO_EDGE_OK);
    CHECK(yolo_edge_results_create(&results) == YOLO_EDGE_OK);
    if (detector == NULL || results == NULL || flipped == NULL) exit(2);

    CHECK(strcmp(yolo_edge_detector_engine(detector), yolo_edge_engine_name(0)) == 0);
    CHECK(strlen(yolo_edge_detector_precision(detector)) > 0 &&
          strlen(yolo_edge_detector_cpus(detector)) > 0);
    CHECK(yolo_edge_detector_threads(detector) == 1 && strcmp(yolo_edge_detector_warning(detector), "") == 0);
    CHECK(yolo_edge_detector_class_count(detector) > 0);
    CHECK(yolo_edge_detector_class_name(detector, 0) != NULL);
    CHECK(yolo_edge_detector_class_name(detector, -1) == NULL);
    CHECK(yolo_edge_detector_class_name(detector, 1 << 20) == NULL);

    CHECK(yolo_edge_detect_options_init(&options, sizeof(options)) == YOLO_EDGE_OK);
    options.conf = 0.05F;
    CHECK(yolo_edge_detect(detector, bgr, height, width, 3 * width, YOLO_EDGE_BGR, &options, results) ==
          YOLO_EDGE_OK);
    count = yolo_edge_results_count(results);
    CHECK(count > 0);
    CHECK(yolo_edge_results_times(results).inference_ms > 0);
    boxes = (yolo_edge_box*)malloc((count + 1) * sizeof(*boxes));
    if (boxes == NULL) exit(3);
    for (i = 0; i < count; ++i) {
        boxes[i] = yolo_edge_results_boxes(results)[i];
        CHECK(boxes[i].x0 >= 0 && boxes[i].x0 <= boxes[i].x1 && boxes[i].x1 <= width);
        CHECK(boxes[i].y0 >= 0 && boxes[i].y0 <= boxes[i].y1 && boxes[i].y1 <= height);
        CHECK(boxes[i].score > options.conf && boxes[i].score <= 1);
        CHECK(i == 0 || boxes[i].score <= boxes[i - 1].score);
        CHECK(yolo_edge_detector_class_name(detector, boxes[i].class_id) != NULL);
    }

    /* The same picture with other channels and padded rows, and bottom-up. */
    CHECK(yolo_edge_detect(detector, rgb, height, width, 3 * width + 13, YOLO_EDGE_RGB, &options, results) ==
          YOLO_EDGE_OK);
    CHECK(same_boxes(results, boxes, count));
    for (i = 0; i < height; ++i) {
        memcpy(flipped + 3 * width * (height - 1 - i), bgr + 3 * width * i, (size_t)(3 * width));
    }
    CHECK(yolo_edge_detect(detector, flipped + 3 * width * (height - 1), height, width, -3 * width,
                           YOLO_EDGE_BGR, &options, results) == YOLO_EDGE_OK);
    CHECK(same_boxes(results, boxes, count));

    if (count > 0) wanted = boxes[0].class_id;
    options.classes = &wanted;
    options.class_count = 1;
    options.max_detections = 1;
    CHECK(yolo_edge_detect(detector, bgr, height, width, 3 * width, YOLO_EDGE_BGR, &options, results) ==
          YOLO_EDGE_OK);
    CHECK(same_boxes(results, boxes, 1));

    /* A failure leaves no old boxes behind, and the detector works on. */
    wanted = 1 << 20;
    CHECK(yolo_edge_detect(detector, bgr, height, width, 3 * width, YOLO_EDGE_BGR, &options, results) ==
          YOLO_EDGE_BAD_ARGUMENT);
    CHECK(yolo_edge_results_count(results) == 0 && last_error_has("1048576"));
    options.classes = NULL;
    options.conf = (float)NAN;
    CHECK(yolo_edge_detect(detector, bgr, height, width, 3 * width, YOLO_EDGE_BGR, &options, results) ==
          YOLO_EDGE_BAD_ARGUMENT);
    CHECK(yolo_edge_detect(detector, bgr, 0, width, 3 * width, YOLO_EDGE_BGR, NULL, results) ==
          YOLO_EDGE_BAD_ARGUMENT);
    CHECK(yolo_edge_detect(detector, bgr, height, width, 3 * width - 1, YOLO_EDGE_BGR, NULL, results) ==
          YOLO_EDGE_BAD_ARGUMENT);
    CHECK(yolo_edge_detect(detector, bgr, height, width, 3 * width, 7, NULL, results) ==
          YOLO_EDGE_BAD_ARGUMENT);
    CHECK(yolo_edge_detect(detector, NULL, height, width, 3 * width, YOLO_EDGE_BGR, NULL, results) ==
          YOLO_EDGE_BAD_ARGUMENT);
    CHECK(yolo_edge_detect(detector, bgr, height, width, 3 * width, YOLO_EDGE_BGR, NULL, results) ==
          YOLO_EDGE_OK);

    printf("%lu boxes\n", (unsigned long)count);
    free(boxes);
    free(flipped);
    free(rgb);
    free(bgr);
    yolo_edge_results_destroy(results);
    yolo_edge_detector_destroy(detector);
}

int main(int argc, char** argv) {
    test_facts();
    test_options();
    test_refusals();
    if (argc > 1) test_detection(argv[1]);
    return failures == 0 ? 0 : 1;
}
