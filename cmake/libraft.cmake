# libraft 0.22.1 (raft.h has no C++ guards, so only src/consensus includes it). The static library first: on Debian 12
# scripts/install-deps.sh builds no other. A libraft 0.15 beside it, as Debian 12 packages, is refused.
find_path(LIBRAFT_INCLUDE_DIR raft/uv.h)
find_library(LIBRAFT_LIBRARY NAMES libraft.a raft)
find_path(LIBUV_INCLUDE_DIR uv.h)
find_library(LIBUV_LIBRARY uv)
find_library(LZ4_LIBRARY lz4)
set(libraft_version none)
if(LIBRAFT_INCLUDE_DIR)
  file(STRINGS ${LIBRAFT_INCLUDE_DIR}/raft.h version_lines REGEX "^#define RAFT_VERSION_(MAJOR|MINOR|RELEASE) [0-9]+")
  string(REGEX REPLACE "#define RAFT_VERSION_[A-Z]+ ([0-9]+)" "\\1" version_numbers "${version_lines}")
  list(JOIN version_numbers "." libraft_version)
endif()
if(NOT LIBRAFT_LIBRARY OR NOT LIBUV_LIBRARY OR NOT LZ4_LIBRARY OR NOT LIBUV_INCLUDE_DIR OR libraft_version VERSION_LESS 0.22.1)
  message(FATAL_ERROR "libraft 0.22.1 or newer, with libuv and lz4, is needed; found: libraft ${libraft_version} "
                      "(${LIBRAFT_INCLUDE_DIR}, ${LIBRAFT_LIBRARY}), ${LIBUV_LIBRARY}, ${LZ4_LIBRARY}. "
                      "scripts/install-deps.sh installs it.")
endif()

add_library(vectorizer_libraft INTERFACE)
target_include_directories(vectorizer_libraft SYSTEM INTERFACE ${LIBRAFT_INCLUDE_DIR} ${LIBUV_INCLUDE_DIR})
target_link_libraries(vectorizer_libraft INTERFACE ${LIBRAFT_LIBRARY} ${LIBUV_LIBRARY} ${LZ4_LIBRARY})
