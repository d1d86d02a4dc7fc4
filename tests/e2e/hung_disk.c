/* Preloaded into a server: while the file that VECTORIZER_HUNG_DISK names exists, nothing that is synced returns, as on a disk that hangs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void hang(void) {
  const char* file = getenv("VECTORIZER_HUNG_DISK");
  while (file != NULL && access(file, F_OK) == 0) usleep(20000);
}

int fsync(int descriptor) {
  static int (*real)(int);
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, "fsync");
  hang();
  return real(descriptor);
}

int fdatasync(int descriptor) {
  static int (*real)(int);
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, "fdatasync");
  hang();
  return real(descriptor);
}
