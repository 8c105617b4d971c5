# Read by llama-cpp-python's build after its project(): a variable that is set here stands before the cache entry of the
# same name, which the build forces to ON. What only llama.cpp's own tools use takes a fifth of the compiler's time.
set(LLAMA_BUILD_COMMON OFF)
