# With BUILD_SHARED_LIBS: libyolo_edge.so holds the core too, and shows the C interface and namespace yolo_edge only.
# The engine's library, its OpenMP and the JSON reader stay inside: a program may have its own of each.

get_target_property(library_type yolo_edge TYPE)
if(library_type STREQUAL "SHARED_LIBRARY")
    set_target_properties(yolo_edge yolo_edge_core PROPERTIES CXX_VISIBILITY_PRESET default)
    # Objects, not the archive: of that the linker would take only what the runtime itself calls.
    target_sources(yolo_edge PRIVATE $<TARGET_OBJECTS:yolo_edge_core>)
    set(exported "${CMAKE_CURRENT_LIST_DIR}/yolo_edge.map")
    target_link_options(yolo_edge PRIVATE "LINKER:--version-script=${exported}" LINKER:--no-undefined)
    set_target_properties(yolo_edge PROPERTIES
        LINK_DEPENDS "${exported}"
        VERSION "${PROJECT_VERSION}"
        SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}"  # until 1.0 each minor version is its own
    )
endif()
