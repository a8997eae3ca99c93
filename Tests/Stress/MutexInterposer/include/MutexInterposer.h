#pragma once
/* To be called once, so that the linker takes the file. */
void mutex_interposer_is_linked(void);
