# What the toolchain files of this folder share: Debian's cross-compiler for `cross_triplet`, qemu for what it builds.
#
# YOLO_EDGE_SYSROOT, a variable of CMake: a folder with more of the board's system in it (scripts/aarch64-sysroot makes
# one). Headers and libraries are looked for there too, and programs run in it. Static programs need none.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${cross_triplet}-gcc)
set(CMAKE_CXX_COMPILER ${cross_triplet}-g++)

# Header-only libraries of this machine serve every processor; the rest of /usr/include would bring its C library.
set(portable "${CMAKE_BINARY_DIR}/portable")
foreach(library doctest nlohmann stb)
    if(EXISTS "/usr/include/${library}" AND NOT EXISTS "${portable}/include/${library}")
        file(MAKE_DIRECTORY "${portable}/include")
        file(CREATE_LINK "/usr/include/${library}" "${portable}/include/${library}" SYMBOLIC)
    endif()
endforeach()

set(CMAKE_FIND_ROOT_PATH "${portable}" "/usr/${cross_triplet}")
set(emulated_root "/usr/${cross_triplet}")
if(YOLO_EDGE_SYSROOT)
    list(INSERT CMAKE_FIND_ROOT_PATH 0 "${YOLO_EDGE_SYSROOT}")
    set(emulated_root "${YOLO_EDGE_SYSROOT}")
    # After the compiler's own: Debian's Python.h looks for its pyconfig.h from here.
    foreach(language C CXX)
        string(APPEND CMAKE_${language}_FLAGS_INIT " -idirafter ${YOLO_EDGE_SYSROOT}/usr/include")
    endforeach()
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES YOLO_EDGE_SYSROOT)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(CMAKE_CROSSCOMPILING_EMULATOR ${cross_qemu} -L "${emulated_root}")
