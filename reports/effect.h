/* An effect as verdict.json has it, in figures and as a picture. */
#ifndef PS_REPORTS_EFFECT_H
#define PS_REPORTS_EFFECT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

/* The value of a part in its unit, for people: "+2.1 points", of a level "2.1 %", "ratio 1.35", "+0.05"; "–" where
 * there is none, "∞" where it is infinite. Returns the text. */
enum { PS_EFFECT_TEXT = 64 };
char *ps_effect_amount(char text[PS_EFFECT_TEXT], const cJSON *part, bool level, double value);
/* Value of the number under a key of the part. */
char *ps_effect_of(char text[PS_EFFECT_TEXT], const cJSON *part, bool level, const char *key);

/* The picture: an axis with 0 and the margin on either side (of a level: the margin alone), a dot a seed, the bounds as
 * a bar with the median in it. Values that are infinite stand hollow at their end; pairs of which a run diverged have
 * no value and no dot. large: with words at its marks; else as a strip for a row of a table. prediction: of
 * verdict.json; part: one of its parts. */
void ps_effect_picture(FILE *stream, const cJSON *prediction, const cJSON *part, bool large);

#endif
