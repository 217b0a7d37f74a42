# Finds or builds ncnn, as YOLO_EDGE_NCNN says, and leaves the imported target `ncnn`, or none.
#
#   AUTO    an installed package if there is one (the default)
#   OFF     no ncnn
#   SYSTEM  an installed package; an error without one
#   FETCH   the sources of release YOLO_EDGE_NCNN_TAG, from GitHub
#   DIR     the sources in the folder YOLO_EDGE_NCNN_DIR (scripts/ncnn-source gets them from PyPI)
#
# Sources are built once per version, compiler and options, into YOLO_EDGE_CACHE, and found there ever after.

set(YOLO_EDGE_NCNN "AUTO" CACHE STRING "Where ncnn comes from: AUTO, OFF, SYSTEM, FETCH or DIR")
set_property(CACHE YOLO_EDGE_NCNN PROPERTY STRINGS AUTO OFF SYSTEM FETCH DIR)
set(YOLO_EDGE_NCNN_DIR "" CACHE PATH "Folder of ncnn's sources, for YOLO_EDGE_NCNN=DIR")
# PyPI's package of ncnn has them, and on a Xeon of 2023 is 1.3 to 1.7 times as fast as a build without.
option(YOLO_EDGE_NCNN_AVX512 "Build ncnn's AVX-512 kernels too, for servers; it takes longer" OFF)
set(YOLO_EDGE_NCNN_TAG "20250503" CACHE STRING "Release of ncnn, for YOLO_EDGE_NCNN=FETCH")

if(DEFINED ENV{YOLO_EDGE_CACHE})
    set(default_cache "$ENV{YOLO_EDGE_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(default_cache "$ENV{XDG_CACHE_HOME}/yolo-edge")
else()
    set(default_cache "$ENV{HOME}/.cache/yolo-edge")
endif()
set(YOLO_EDGE_CACHE "${default_cache}" CACHE PATH "Folder for what is built once per machine")

# What the networks of this family use, as our exporter and others' write them, in the spelling of ncnn's options.
# ncnn has sixty more.
set(used_layers
    batchnorm bias binaryop cast clip concat convolution convolutiondepthwise crop deconvolution
    deconvolutiondepthwise dropout eltwise elu exp expanddims flatten gelu gemm hardsigmoid hardswish innerproduct
    input interp layernorm matmul memorydata mish multiheadattention noop packing padding permute pixelshuffle
    pooling power prelu reduction relu reorg reshape scale sdpa sigmoid shufflechannel slice softmax split squeeze
    swish tanh unaryop)

set(ncnn_options
    -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON
    -DCMAKE_INSTALL_LIBDIR=lib
    -DNCNN_OPENMP=ON
    -DNCNN_RUNTIME_CPU=ON
    -DNCNN_PLATFORM_API=OFF
    -DNCNN_VULKAN=OFF
    -DNCNN_C_API=OFF
    -DNCNN_INT8=OFF
    -DNCNN_WEIGHT_QUANT=OFF
    # Pictures are ours.
    -DNCNN_PIXEL=OFF -DNCNN_PIXEL_ROTATE=OFF -DNCNN_PIXEL_AFFINE=OFF -DNCNN_PIXEL_DRAWING=OFF
    # Every instruction set is another copy of the kernels: those that the boards and PCs of today have.
    -DNCNN_FMA4=OFF -DNCNN_XOP=OFF -DNCNN_AVX512=OFF -DNCNN_AVXVNNI=OFF -DNCNN_AVXNECONVERT=OFF
    -DNCNN_ARM82DOT=OFF -DNCNN_ARM82FP16FML=OFF -DNCNN_ARM84BF16=OFF -DNCNN_ARM84I8MM=OFF -DNCNN_ARM86SVE=OFF
    -DNCNN_PYTHON=OFF -DNCNN_BUILD_BENCHMARK=OFF -DNCNN_BUILD_EXAMPLES=OFF -DNCNN_BUILD_TESTS=OFF
    -DNCNN_BUILD_TOOLS=OFF)
if(YOLO_EDGE_NCNN_AVX512)
    list(REMOVE_ITEM ncnn_options -DNCNN_AVX512=OFF)
    list(APPEND ncnn_options -DNCNN_AVX512=ON -DNCNN_AVX512VNNI=OFF -DNCNN_AVX512BF16=OFF -DNCNN_AVX512FP16=OFF)
endif()

# Gives ncnn's calls of GNU OpenMP the names that cpp/runtime/src/engines/openmp_team.cpp defines: its threads sleep
# where those of GNU OpenMP wait busily, and a program's own OpenMP stays apart.
function(use_own_openmp place)
    set(renamed "")
    foreach(name IN ITEMS GOMP_parallel omp_get_num_threads omp_get_thread_num omp_get_dynamic omp_set_dynamic
                          omp_set_num_threads)
        list(APPEND renamed "--redefine-sym=${name}=yolo_edge_${name}")
    endforeach()
    execute_process(COMMAND "${CMAKE_OBJCOPY}" ${renamed} "${place}/lib/libncnn.a" COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND "${CMAKE_NM}" --undefined-only "${place}/lib/libncnn.a"
                    OUTPUT_VARIABLE used ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
    if(used MATCHES " U ((GOMP_|omp_)[a-z_]+)")
        message(FATAL_ERROR "this ncnn uses ${CMAKE_MATCH_1} of OpenMP, which openmp_team.cpp does not have")
    endif()
    # Nor does its package ask for OpenMP any more.
    file(READ "${place}/lib/cmake/ncnn/ncnnConfig.cmake" package)
    string(REPLACE "set(NCNN_OPENMP ON)" "set(NCNN_OPENMP OFF)" package "${package}")
    file(WRITE "${place}/lib/cmake/ncnn/ncnnConfig.cmake" "${package}")
    file(READ "${place}/lib/cmake/ncnn/ncnn.cmake" targets)
    string(REPLACE "OpenMP::OpenMP_CXX;" "" targets "${targets}")
    file(WRITE "${place}/lib/cmake/ncnn/ncnn.cmake" "${targets}")
    file(TOUCH "${place}/lib/cmake/ncnn/own_openmp")
endfunction()

# Builds the sources in the folder `source` unless that was done before, and sets ncnn_DIR.
function(build_ncnn source)
    if(NOT EXISTS "${source}/src/CMakeLists.txt")
        message(FATAL_ERROR "'${source}' does not hold ncnn's sources; give YOLO_EDGE_NCNN_DIR their folder "
                            "(scripts/ncnn-source gets them)")
    endif()
    set(options ${ncnn_options})
    file(READ "${source}/src/CMakeLists.txt" listing)
    string(REGEX MATCHALL "ncnn_add_layer\\([A-Za-z0-9]+" layers "${listing}")
    foreach(layer IN LISTS layers)
        string(REGEX REPLACE ".*\\(" "" layer "${layer}")
        string(TOLOWER "${layer}" layer)
        if(NOT layer IN_LIST used_layers)
            list(APPEND options "-DWITH_LAYER_${layer}=OFF")
        endif()
    endforeach()
    # PyPI's sources would call their version the day of the build.
    if(EXISTS "${source}/PKG-INFO")
        file(STRINGS "${source}/PKG-INFO" version REGEX "^Version: ")
        string(REGEX REPLACE "^.*\\." "" version "${version}")
        list(APPEND options "-DNCNN_VERSION=${version}")
    else()
        set(version "${YOLO_EDGE_NCNN_TAG}")
    endif()
    list(APPEND options "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}")

    # Other compilers call OpenMP in other ways; there ncnn keeps their library.
    set(own_openmp OFF)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        set(own_openmp ON)
    endif()
    set(key "own_openmp=${own_openmp};${options};${listing};${CMAKE_CXX_COMPILER_VERSION};${CMAKE_SYSTEM_PROCESSOR}")
    if(CMAKE_C_COMPILER)  # known or not, with whether this project has used C already
        list(APPEND options "-DCMAKE_C_COMPILER=${CMAKE_C_COMPILER}")
    endif()
    if(CMAKE_TOOLCHAIN_FILE)
        # What it says counts, not where it lies: another checkout finds the same build.
        file(SHA256 "${CMAKE_TOOLCHAIN_FILE}" toolchain)
        string(APPEND key ";${toolchain}")
        list(APPEND options "-DCMAKE_TOOLCHAIN_FILE=${CMAKE_TOOLCHAIN_FILE}")
    endif()
    string(SHA256 key "${key}")
    string(SUBSTRING "${key}" 0 12 key)
    set(place "${YOLO_EDGE_CACHE}/ncnn-${version}-${CMAKE_SYSTEM_PROCESSOR}-${key}")
    set(config "${place}/lib/cmake/ncnn")
    # Two configurations at once would write the same files.
    file(MAKE_DIRECTORY "${YOLO_EDGE_CACHE}")
    file(LOCK "${place}.lock" GUARD FUNCTION)
    if(NOT EXISTS "${place}/built")
        message(STATUS "Building ncnn ${version} into ${place}, once; this takes some minutes")
        set(work "${place}.build")
        # Of a build that was interrupted, compiled objects are good; the tools that it names may be gone.
        file(REMOVE "${work}/CMakeCache.txt")
        foreach(step "-S;${source};-B;${work};-G;${CMAKE_GENERATOR};-DCMAKE_INSTALL_PREFIX=${place};${options}"
                     "--build;${work};--parallel" "--install;${work};--strip")
            execute_process(COMMAND "${CMAKE_COMMAND}" ${step} RESULT_VARIABLE failed
                            OUTPUT_VARIABLE output ERROR_VARIABLE output)
            if(failed)
                message(FATAL_ERROR "building ncnn failed; its log:\n${output}")
            endif()
        endforeach()
        file(REMOVE_RECURSE "${work}")
        if(own_openmp)
            use_own_openmp("${place}")
        endif()
        file(TOUCH "${place}/built")
    endif()
    set(ncnn_DIR "${config}" CACHE PATH "Folder of ncnnConfig.cmake" FORCE)
endfunction()

if(YOLO_EDGE_NCNN STREQUAL "DIR")
    build_ncnn("${YOLO_EDGE_NCNN_DIR}")
elseif(YOLO_EDGE_NCNN STREQUAL "FETCH")
    include(FetchContent)
    FetchContent_Declare(ncnn_source
        URL "https://github.com/Tencent/ncnn/archive/refs/tags/${YOLO_EDGE_NCNN_TAG}.tar.gz")
    FetchContent_GetProperties(ncnn_source)
    if(NOT ncnn_source_POPULATED)
        FetchContent_Populate(ncnn_source)
    endif()
    build_ncnn("${ncnn_source_SOURCE_DIR}")
elseif(NOT YOLO_EDGE_NCNN MATCHES "^(AUTO|OFF|SYSTEM)$")
    message(FATAL_ERROR "YOLO_EDGE_NCNN is '${YOLO_EDGE_NCNN}'; it must be AUTO, OFF, SYSTEM, FETCH or DIR")
endif()

if(NOT YOLO_EDGE_NCNN STREQUAL "OFF")
    find_package(ncnn CONFIG QUIET)
    if(NOT ncnn_FOUND AND NOT YOLO_EDGE_NCNN STREQUAL "AUTO")
        message(FATAL_ERROR "ncnn was asked for (YOLO_EDGE_NCNN=${YOLO_EDGE_NCNN}) but is not installed")
    endif()
endif()
set(YOLO_EDGE_NCNN_OWN_OPENMP OFF)
if(EXISTS "${ncnn_DIR}/own_openmp")
    set(YOLO_EDGE_NCNN_OWN_OPENMP ON)
endif()
if(TARGET ncnn)
    message(STATUS "ncnn: ${ncnn_DIR}")
else()
    message(STATUS "ncnn: none; the native library gets no engine of it (YOLO_EDGE_NCNN=${YOLO_EDGE_NCNN})")
endif()
