// The one place that compiles stb_image (Debian package libstb-dev).

#include <cstdlib>

// Only the formats that cameras and tools write: each other one is code that reads strangers' files.
#define STBI_ONLY_BMP
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_PNM
#define STBI_NO_LINEAR
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 32768
// Cleared memory: a file that ends early leaves black, never what lay in memory before.
#define STBI_MALLOC(size) std::calloc(1, size)
#define STBI_REALLOC(memory, size) std::realloc(memory, size)
#define STBI_FREE(memory) std::free(memory)
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>
