#pragma once

namespace vectorizer::app {

/// `vectorizer completion SHELL`: prints the script, made from what the commands accept. Gives the exit status.
int run_completion(int count, char** arguments);

}  // namespace vectorizer::app
