# 32-bit ARM Linux with hardware floating point and NEON: Raspberry Pi 2 and later with a 32-bit system.
# Debian packages: g++-arm-linux-gnueabihf, and qemu-user to run what it builds

set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(cross_triplet arm-linux-gnueabihf)
set(cross_qemu qemu-arm -cpu cortex-a7)
# vfpv4: fused multiply-add. Cortex-A7, A15, A17, A53 and later have it; A8 and A9 do not. psabi: notes on how GCC
# before 7.1 passed some arguments.
foreach(language C CXX)
    set(CMAKE_${language}_FLAGS_INIT "-march=armv7-a -mfpu=neon-vfpv4 -mfloat-abi=hard -Wno-psabi")
endforeach()
include("${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake")
