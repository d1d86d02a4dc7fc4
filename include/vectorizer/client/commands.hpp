#pragma once

namespace vectorizer::client {

/// The subcommands that talk to a running server. argv[0] is how the command was called ("vectorizer import").
/// They print to stdout and stderr and return the exit status: 0 done, 1 failed, 64 wrong usage.
int run_import(int argc, char** argv);
int run_export(int argc, char** argv);
int run_health(int argc, char** argv);
int run_restore(int argc, char** argv);

}  // namespace vectorizer::client
