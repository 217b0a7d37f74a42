#pragma once

namespace yolo_edge::native {

/// From now on the first Ctrl-C or SIGTERM only sets interrupted(); a second one ends the process at once.
void catch_interrupts();

bool interrupted();

}  // namespace yolo_edge::native
