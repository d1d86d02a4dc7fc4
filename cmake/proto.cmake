# vectorizer_proto(<target> <file.proto>...): a static library of messages and services from files below proto/.
#
# Generated code is not ours: SYSTEM headers, no warnings. Debian's Protobuf has no package configuration of its own, so
# CMake's FindProtobuf comes first, and gRPC's configuration finds it done.
find_package(Protobuf REQUIRED)
find_package(gRPC REQUIRED CONFIG)

function(vectorizer_proto target)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/proto)
  file(MAKE_DIRECTORY ${out})
  set(sources)
  foreach(file ${ARGN})
    string(REGEX REPLACE "\\.proto$" "" stem ${file})
    set(products ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    set(grpc)
    file(STRINGS ${CMAKE_SOURCE_DIR}/proto/${file} services REGEX "^service ")
    if(services)
      list(APPEND products ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
      set(grpc --grpc_out=${out} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
    endif()
    add_custom_command(
      OUTPUT ${products}
      COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR}/proto --cpp_out=${out} ${grpc} ${file}
      DEPENDS ${CMAKE_SOURCE_DIR}/proto/${file}
      VERBATIM)
    list(APPEND sources ${products})
  endforeach()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${out})
  target_compile_options(${target} PRIVATE -w)
  target_link_libraries(${target} PUBLIC gRPC::grpc++)
endfunction()
