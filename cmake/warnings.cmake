# Warnings for our own targets; third-party headers are SYSTEM.
add_library(vectorizer_warnings INTERFACE)
target_compile_options(vectorizer_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Wimplicit-fallthrough
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-restrict;-Wno-array-bounds;-Wno-stringop-overread;-Wno-missing-field-initializers>  # g++ 12 false alarms
  $<$<CXX_COMPILER_ID:Clang>:-Wno-missing-field-initializers>
  $<$<BOOL:${VECTORIZER_WERROR}>:-Werror>)
