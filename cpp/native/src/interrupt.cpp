#include "interrupt.h"

#include <csignal>

namespace yolo_edge::native {
namespace {

volatile std::sig_atomic_t caught = 0;

void note(int) {
    caught = 1;
}

}  // namespace

void catch_interrupts() {
    struct sigaction action{};
    action.sa_handler = note;
    // No SA_RESTART: a write into a full pipe has to return.
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() {
    return caught != 0;
}

}  // namespace yolo_edge::native
