#pragma once

namespace yolo_edge {

/// Makes the calling thread's team of `threads` threads, itself included, for the parallel loops of an ncnn
/// that was built to compute with it (cmake/ncnn.cmake). The others are born with the CPUs that this thread
/// may use, sleep between the frames, and end with this thread. Without a call the first loop makes the team.
void start_openmp_team(int threads);

}  // namespace yolo_edge
