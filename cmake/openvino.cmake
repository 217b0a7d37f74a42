# Finds OpenVINO, as YOLO_EDGE_OPENVINO says, and leaves the imported target `openvino::runtime`, or none.
#
#   AUTO  a package of the system if there is one (the default; not for the Python module, whose wheel would then
#         need that system, nor for static programs)
#   OFF   no OpenVINO
#   ON    a package of the system, or OpenVINO_DIR, else the Python package `openvino`; an error without one

set(YOLO_EDGE_OPENVINO "AUTO" CACHE STRING "Whether to build the engine of OpenVINO in: AUTO, OFF or ON")
set_property(CACHE YOLO_EDGE_OPENVINO PROPERTY STRINGS AUTO OFF ON)

if(YOLO_EDGE_OPENVINO STREQUAL "AUTO")
    if(NOT YOLO_EDGE_BUILD_PYTHON AND NOT YOLO_EDGE_STATIC)
        find_package(OpenVINO QUIET COMPONENTS Runtime)
    endif()
elseif(YOLO_EDGE_OPENVINO)
    find_package(OpenVINO QUIET COMPONENTS Runtime)
    if(NOT OpenVINO_FOUND)
        if(DEFINED Python_EXECUTABLE)
            set(openvino_python "${Python_EXECUTABLE}")
        else()
            find_program(openvino_python python3)
        endif()
        # Found, not imported: the package reports each import to its maker.
        execute_process(
            COMMAND "${openvino_python}" -c
                "import importlib.util as u; print(u.find_spec('openvino').submodule_search_locations[0])"
            OUTPUT_VARIABLE openvino_package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
            RESULT_VARIABLE openvino_missing)
        if(NOT openvino_missing)
            find_package(OpenVINO QUIET COMPONENTS Runtime PATHS "${openvino_package}/cmake" NO_DEFAULT_PATH)
        endif()
    endif()
    if(NOT OpenVINO_FOUND)
        message(FATAL_ERROR "OpenVINO was asked for (YOLO_EDGE_OPENVINO=${YOLO_EDGE_OPENVINO}) but is not installed: "
                            "pip install openvino, or give OpenVINO_DIR the folder of OpenVINOConfig.cmake")
    endif()
endif()
if(TARGET openvino::runtime)
    message(STATUS "OpenVINO: ${OpenVINO_VERSION}, ${OpenVINO_DIR}")
else()
    message(STATUS "OpenVINO: none; the native library gets no engine of it (YOLO_EDGE_OPENVINO=${YOLO_EDGE_OPENVINO})")
endif()
