# 64-bit ARM Linux: Raspberry Pi 3 to 5 with a 64-bit system, RK3399, RK3588.
# Debian packages: g++-aarch64-linux-gnu, and qemu-user to run what it builds

set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(cross_triplet aarch64-linux-gnu)
set(cross_qemu qemu-aarch64 -cpu cortex-a72)
include("${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake")
