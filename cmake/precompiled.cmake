# Headers that nearly every file includes are parsed once. The dev preset does without, which shows what a file forgot to
# include itself.
option(VECTORIZER_PCH "Precompile the headers that most files include" ON)

if(VECTORIZER_PCH)
  add_compile_options(-pthread)  # a precompiled header serves only targets with the same macros: all have this one
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)  # for ccache
  endif()
endif()

# vectorizer_precompile(<target> <owner> [header...]): `target` shares the precompiled header of `owner`. For the owner itself:
# the standard headers, those of logging, and the ones given.
function(vectorizer_precompile target owner)
  if(NOT VECTORIZER_PCH)
    return()
  endif()
  if(target STREQUAL owner)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <array> <atomic> <chrono> <cstddef> <cstdint> <cstring> <filesystem> <functional> <map> <memory> <mutex> <optional> <set>
      <span> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector> <fmt/format.h> <spdlog/spdlog.h> ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${owner})
  endif()
endfunction()
