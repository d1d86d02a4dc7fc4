# The suites of the deployment guide: `ctest -L cluster_failures` runs one, `ctest -L e2e-cluster` all but distributed_sharding.
# Each has three processes or more and waits for elections: one at a time, or they measure each other.
function(vectorizer_cluster_suite name file timeout)
  add_test(NAME e2e.${file} COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/${file}_test.py)
  set_tests_properties(e2e.${file} PROPERTIES LABELS e2e-${name} TIMEOUT ${timeout} RESOURCE_LOCK cluster
                       ENVIRONMENT "VECTORIZER_BINARY=$<TARGET_FILE:vectorizer>;PYTHONUNBUFFERED=1")
endfunction()

vectorizer_cluster_suite(cluster cluster 300)
vectorizer_cluster_suite(distributed_sharding cluster_distributed_sharding 300)
vectorizer_cluster_suite(cluster_failures cluster_failures 600)
vectorizer_cluster_suite(cluster_failures cluster_retry 300)
vectorizer_cluster_suite(cluster_scale cluster_scale 300)
vectorizer_cluster_suite(cluster_scale cluster_elastic 600)
vectorizer_cluster_suite(cluster_performance cluster_performance 300)
vectorizer_cluster_suite(cluster_integration cluster_integration 600)
vectorizer_cluster_suite(cluster_fault_tolerance cluster_fault_tolerance 600)
vectorizer_cluster_suite(cluster_fault_tolerance cluster_corruption 900)
vectorizer_cluster_suite(cluster_e2e cluster_e2e 600)
vectorizer_cluster_suite(cluster_e2e cluster_upgrade 600)
set_property(TEST e2e.cluster_upgrade APPEND PROPERTY
             ENVIRONMENT "VECTORIZER_PROTOCOL_1_BINARY=$<TARGET_FILE:vectorizer-protocol-1>")
vectorizer_cluster_suite(cluster_backup cluster_backup 300)

# A sanitizer's runtime must be loaded first: without the library the test of a disk that hangs is left out.
if(NOT VECTORIZER_SANITIZE)
  enable_language(C)
  add_library(hung_disk SHARED ${CMAKE_CURRENT_SOURCE_DIR}/hung_disk.c)
  target_link_libraries(hung_disk PRIVATE ${CMAKE_DL_LIBS})
  set_property(TEST e2e.cluster_failures APPEND PROPERTY ENVIRONMENT "VECTORIZER_HUNG_DISK_LIBRARY=$<TARGET_FILE:hung_disk>")
endif()

add_test(NAME checker COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/../checker/checker_test.py)
set_tests_properties(checker PROPERTIES LABELS unit TIMEOUT 300)
