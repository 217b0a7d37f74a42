/*
 * The C interface of yolo-edge, for C and for every language that calls C.
 *
 *   yolo_edge_detector* detector = NULL;
 *   yolo_edge_results* results = NULL;
 *   if (yolo_edge_detector_create("best.edge", NULL, &detector) != YOLO_EDGE_OK ||
 *       yolo_edge_results_create(&results) != YOLO_EDGE_OK ||
 *       yolo_edge_detect(detector, pixels, height, width, 3 * width, YOLO_EDGE_RGB, NULL, results) !=
 *           YOLO_EDGE_OK) {
 *       fprintf(stderr, "%s\n", yolo_edge_last_error());
 *   } else {
 *       const yolo_edge_box* boxes = yolo_edge_results_boxes(results);
 *       for (size_t i = 0; i < yolo_edge_results_count(results); ++i) {
 *           printf("%s %.2f\n", yolo_edge_detector_class_name(detector, boxes[i].class_id), boxes[i].score);
 *       }
 *   }
 *   yolo_edge_results_destroy(results);
 *   yolo_edge_detector_destroy(detector);
 *
 * Ownership: what a function named ..._create gives belongs to the caller, who ends it with ..._destroy of
 * the same kind. Every `const char*` and `const yolo_edge_box*` that a function returns belongs to the
 * library, lives as long as stated there, and is neither written nor freed. What is passed in is only read
 * during the call.
 *
 * Threads: a detector may be used from several threads, calls queue; a results object serves one thread at a
 * time. Destroy a detector when no call on it is under way.
 *
 * Strings are UTF-8 and end with a zero; paths are the bytes that the file system takes.
 *
 * Versions: structures of options begin with their size. A program hands over the size that it was compiled
 * with: fields which it does not know keep their defaults, fields which this library does not know must be
 * zero. yolo_edge_box does not change while the library keeps its major version.
 *
 * No C++ exception leaves any of these functions.
 */
#ifndef YOLO_EDGE_H
#define YOLO_EDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call may return. Other values may come in later versions: anything but YOLO_EDGE_OK is a failure. */
typedef int32_t yolo_edge_status;
enum {
    YOLO_EDGE_OK = 0,
    YOLO_EDGE_BAD_ARGUMENT = 1,  /* A value that is not allowed; the text says which are. */
    YOLO_EDGE_BAD_BUNDLE = 2,    /* Missing, damaged, from a newer version, or without a target to run. */
    YOLO_EDGE_ENGINE_FAILED = 3, /* The engine cannot load or run the model. */
    YOLO_EDGE_OUT_OF_MEMORY = 4,
    YOLO_EDGE_FAILED = 5 /* Anything else. */
};

/* Order of the three bytes of a pixel. */
typedef int32_t yolo_edge_channels;
enum { YOLO_EDGE_BGR = 0, YOLO_EDGE_RGB = 1 };

typedef struct yolo_edge_detector yolo_edge_detector; /* A bundle loaded in an engine. Heavy. */
typedef struct yolo_edge_results
    yolo_edge_results; /* The boxes of one image. Keep it: its memory is reused. */

/* How a detector runs. Fill it with yolo_edge_detector_options_init, then change what you want. */
typedef struct yolo_edge_detector_options {
    size_t struct_size;    /* Bytes of this structure, set by ..._init. */
    const char* engine;    /* "auto", or one of yolo_edge_engine_name. */
    const char* cluster;   /* "all", "big", "medium" or "little"; NULL takes the big cores, all when alike. */
    const char* affinity;  /* CPUs by list ("4-7") or mask ("0xf0") instead of a cluster; NULL: no. */
    const char* precision; /* "auto", "fp32", "fp16-storage", "fp16", "bf16", "int8" or "int8-weights". */
    const char* letterbox; /* "rect" or "square"; NULL takes the bundle's. */
    int32_t threads;       /* Of one inference; 0 takes one for each CPU it may run on. */
    int32_t height;        /* Network size in pixels, multiples of the stride; */
    int32_t width;         /* both 0 take the bundle's. */
    int32_t reserved;      /* 0 */
} yolo_edge_detector_options;

/* Thresholds and limits. Fill it with yolo_edge_detect_options_init, then change what you want. */
typedef struct yolo_edge_detect_options {
    size_t struct_size;     /* Bytes of this structure, set by ..._init. */
    const int32_t* classes; /* Class ids to keep; NULL keeps all. */
    size_t class_count;     /* How many of them. */
    float conf;             /* Confidence threshold, 0..1: boxes at or below it are dropped. */
    float iou;              /* IoU threshold of NMS, 0..1: of two that overlap more, one is dropped. */
    int32_t agnostic;       /* Not 0: NMS across classes instead of within each class. */
    int32_t multi_label;    /* Not 0: every class above the threshold gives a box; for evaluation. */
    int32_t max_detections; /* Boxes kept per image, the most confident first. */
    int32_t max_candidates; /* Boxes that enter NMS, the most confident first; bounds the time. */
} yolo_edge_detect_options;

/* A box: corners in pixels of the source image, score 0..1. */
typedef struct yolo_edge_box {
    float x0;
    float y0;
    float x1;
    float y1;
    float score;
    int32_t class_id;
} yolo_edge_box;

/* Where the time of one image went, in milliseconds. */
typedef struct yolo_edge_times {
    double letterbox_ms;
    double inference_ms; /* With the wait for the engine when other callers use it too. */
    double postprocess_ms;
} yolo_edge_times;

/* The version of the library, "0.1.0". Lives for ever. */
const char* yolo_edge_version(void);

/* The engines compiled in: the name and version of the index-th, the usually fastest first; NULL beyond the
 * last. They live for ever. */
const char* yolo_edge_engine_name(size_t index);
const char* yolo_edge_engine_version(size_t index);

/* Why the last failed call on this thread failed; "" when none has. Successful calls leave it alone. Lives
 * until the next failure on this thread. */
const char* yolo_edge_last_error(void);

/* Fills `options` with the defaults. `struct_size` is sizeof(*options) as the caller was compiled. */
yolo_edge_status yolo_edge_detector_options_init(yolo_edge_detector_options* options, size_t struct_size);
yolo_edge_status yolo_edge_detect_options_init(yolo_edge_detect_options* options, size_t struct_size);

/* Loads a bundle folder into `*detector`, which the caller destroys; NULL is stored on failure. `options` may
 * be NULL for the defaults. */
yolo_edge_status yolo_edge_detector_create(const char* bundle_folder,
                                           const yolo_edge_detector_options* options,
                                           yolo_edge_detector** detector);

/* Frees the model and ends its thread. NULL is allowed. */
void yolo_edge_detector_destroy(yolo_edge_detector* detector);

/* What runs; 0 or NULL for a NULL detector. The strings live as long as the detector. */
const char* yolo_edge_detector_engine(const yolo_edge_detector* detector);    /* "ncnn" */
const char* yolo_edge_detector_precision(const yolo_edge_detector* detector); /* What "auto" became. */
const char* yolo_edge_detector_cpus(const yolo_edge_detector* detector);      /* Bound to these: "4-7". */
const char* yolo_edge_detector_warning(const yolo_edge_detector* detector);   /* "" or what will not pay. */
int32_t yolo_edge_detector_threads(const yolo_edge_detector* detector);

/* The model's classes. The name is NULL for an id outside 0..count-1; it lives as long as the detector. */
size_t yolo_edge_detector_class_count(const yolo_edge_detector* detector);
const char* yolo_edge_detector_class_name(const yolo_edge_detector* detector, int32_t class_id);

/* An empty set of boxes into `*results`, which the caller destroys; NULL is stored on failure. */
yolo_edge_status yolo_edge_results_create(yolo_edge_results** results);

/* NULL is allowed. */
void yolo_edge_results_destroy(yolo_edge_results* results);

/* Detects objects in one image and puts the boxes into `results` in place of earlier ones, the most confident
 * first; on failure it is left empty.
 *
 * `pixels` is the first byte of the top row of `height` rows of `width` pixels, three bytes each;
 * `row_stride` is the number of bytes from a row to the next one, negative for images stored bottom-up.
 * `options` may be NULL for the defaults. */
yolo_edge_status yolo_edge_detect(yolo_edge_detector* detector, const uint8_t* pixels, int32_t height,
                                  int32_t width, ptrdiff_t row_stride, yolo_edge_channels channels,
                                  const yolo_edge_detect_options* options, yolo_edge_results* results);

/* How many boxes there are, and the first of them (NULL when there are none). They live until the next
 * yolo_edge_detect with these results, or their end. */
size_t yolo_edge_results_count(const yolo_edge_results* results);
const yolo_edge_box* yolo_edge_results_boxes(const yolo_edge_results* results);

/* The times of the last detection. */
yolo_edge_times yolo_edge_results_times(const yolo_edge_results* results);

#ifdef __cplusplus
}
#endif

#endif
