# RelWithAssertions: -O2 and debug lines like RelWithDebInfo, but NDEBUG stays off: an invariant that breaks stops the process.
set(CMAKE_CXX_FLAGS_RELWITHASSERTIONS "-O2 -g1")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithAssertions CACHE STRING "" FORCE)
endif()

set(VECTORIZER_SANITIZE "" CACHE STRING "Sanitizers for every target, as in -fsanitize=")
if(VECTORIZER_SANITIZE)
  add_compile_options(-fsanitize=${VECTORIZER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_compile_options(-O1)  # two thirds of the time to compile of -O2
  add_link_options(-fsanitize=${VECTORIZER_SANITIZE})
  if(VECTORIZER_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan)  # Asio's fences are not modelled; see cmake/tsan.supp
  endif()
endif()
