# `cmake --install`: the library, its headers, the program, and what other projects find it by: the CMake package
# yolo_edge and yolo_edge.pc. Included once all targets exist.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/yolo_edge")
get_target_property(library_type yolo_edge TYPE)

# A static library leaves it to whoever links it to find the engine's library. One that we built is installed too,
# in a place of its own: the machine may have another.
set(package_finds_ncnn "")
set(pc_private "")
if(TARGET ncnn AND library_type STREQUAL "STATIC_LIBRARY")
    if(YOLO_EDGE_NCNN MATCHES "^(DIR|FETCH)$")
        set(private_ncnn "${CMAKE_INSTALL_LIBDIR}/yolo_edge/ncnn")
        install(DIRECTORY "${ncnn_DIR}/../../" DESTINATION "${private_ncnn}/lib" PATTERN pkgconfig EXCLUDE)
        install(DIRECTORY DESTINATION "${private_ncnn}/include/ncnn")  # its CMake files name this folder
        set(package_finds_ncnn
            "find_dependency(ncnn CONFIG PATHS \"\${PACKAGE_PREFIX_DIR}/${private_ncnn}\" NO_DEFAULT_PATH)")
        set(pc_private "-L\${prefix}/${private_ncnn}/lib -lncnn ${OpenMP_CXX_FLAGS}")
    else()
        set(package_finds_ncnn "find_dependency(ncnn CONFIG)")
        set(pc_private "$<TARGET_LINKER_FILE:ncnn> ${OpenMP_CXX_FLAGS}")
    endif()
endif()
set(package_finds_openvino "")
if(TARGET openvino::runtime AND library_type STREQUAL "STATIC_LIBRARY")
    set(package_finds_openvino "find_dependency(OpenVINO COMPONENTS Runtime HINTS \"${OpenVINO_DIR}\")")
    string(APPEND pc_private " $<TARGET_LINKER_FILE:openvino::runtime>")
endif()
if(library_type STREQUAL "STATIC_LIBRARY")
    set(package_finds_threads "find_dependency(Threads)")
    string(APPEND pc_private " -pthread -lstdc++ -lm")
endif()

set_target_properties(yolo_edge_core PROPERTIES EXPORT_NAME core)
install(TARGETS yolo_edge yolo_edge_core EXPORT yolo_edge_targets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
)
foreach(headers IN ITEMS
        "${PROJECT_SOURCE_DIR}/cpp/core/include/" "${PROJECT_SOURCE_DIR}/cpp/runtime/include/"
        "${PROJECT_BINARY_DIR}/cpp/core/include/")
    install(DIRECTORY "${headers}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
endforeach()
install(EXPORT yolo_edge_targets NAMESPACE yolo_edge:: DESTINATION "${package_dir}" FILE yolo_edgeTargets.cmake)

configure_package_config_file(cmake/yolo_edgeConfig.cmake.in "${PROJECT_BINARY_DIR}/yolo_edgeConfig.cmake"
    INSTALL_DESTINATION "${package_dir}")
# Until 1.0 a new minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/yolo_edgeConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/yolo_edgeConfig.cmake" "${PROJECT_BINARY_DIR}/yolo_edgeConfigVersion.cmake"
    DESTINATION "${package_dir}")

# From the .pc file back to the prefix, so that the installed tree may be moved.
file(RELATIVE_PATH pc_to_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file(cmake/yolo_edge.pc.in "${PROJECT_BINARY_DIR}/yolo_edge.pc.generate" @ONLY)
file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/yolo_edge.pc" INPUT "${PROJECT_BINARY_DIR}/yolo_edge.pc.generate")
install(FILES "${PROJECT_BINARY_DIR}/yolo_edge.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

if(TARGET yolo-edge-native)
    file(RELATIVE_PATH program_to_libraries
        "/prefix/${CMAKE_INSTALL_BINDIR}" "/prefix/${CMAKE_INSTALL_LIBDIR}")
    if(NOT library_type STREQUAL "STATIC_LIBRARY")
        set_target_properties(yolo-edge-native PROPERTIES INSTALL_RPATH "$ORIGIN/${program_to_libraries}")
    endif()
    # OpenVINO may lie where the loader does not look, in a Python package for example.
    set_target_properties(yolo-edge-native PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
    install(TARGETS yolo-edge-native RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
