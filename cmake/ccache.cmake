find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # ccache trusts a precompiled header only when it is told not to look for __TIME__ and for later macros in it.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()
