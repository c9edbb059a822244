/* model/adapter_peft_config.c - adapter_config.json of PEFT's LoRA: which matrices it names, rank,
 * alpha and the rest; written as PEFT writes it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/json.h"
#include "model/adapter_internal.h"
#include "model/adapter_peft.h"

#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which modules a config names ---- */

/* One of target_modules, exclude_modules as in PEFT: a list matches a module's whole path or its
 * end behind a dot; a string is a regular expression for the whole path. */
typedef struct {
    const json_t *list;
    bool all;
    pcre2_code *regex;
    pcre2_match_data *match;
} matcher;

static void matcher_clear(matcher *m)
{
    pcre2_match_data_free(m->match);
    pcre2_code_free(m->regex);
}

static cmat_status matcher_init(matcher *m, const json_t *v, const char *key, const char *what,
                                cmat_error *err)
{
    const char *s = json_string_value(v);
    *m = (matcher){0};
    if (!v || json_is_null(v))
        return CMAT_OK;
    if (json_is_array(v)) {
        size_t i;
        json_t *item;
        json_array_foreach(v, i, item)
        {
            if (!json_is_string(item))
                return cmat_fail(err, CMAT_ERR_FORMAT,
                                 "%s: %s holds something that is not a string", what, key);
        }
        m->list = v;
        return CMAT_OK;
    }
    if (!s)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: %s is neither a list nor a string", what, key);
    if (strcmp(s, "all-linear") == 0) {
        m->all = true;
        return CMAT_OK;
    }
    int code;
    PCRE2_SIZE at;
    m->regex = pcre2_compile(
        (PCRE2_SPTR)s, PCRE2_ZERO_TERMINATED,
        PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!m->regex) {
        PCRE2_UCHAR text[128];
        pcre2_get_error_message(code, text, sizeof text);
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: %s: column %zu of the pattern: %s", what, key,
                         (size_t)at + 1, text);
    }
    m->match = pcre2_match_data_create_from_pattern(m->regex, NULL);
    return CMAT_OK;
}

static bool matcher_match(const matcher *m, const char *module)
{
    size_t i, n = strlen(module);
    json_t *item;
    if (m->regex) /* PCRE2's own match limit bounds the time; a pattern that reaches it matches
                     nothing */
        return pcre2_match(m->regex, (PCRE2_SPTR)module, n, 0, 0, m->match, NULL) > 0;
    json_array_foreach(m->list, i, item)
    {
        const char *s = json_string_value(item);
        size_t k = strlen(s);
        if (k <= n && strcmp(module + n - k, s) == 0 && (k == n || module[n - k - 1] == '.'))
            return true;
    }
    return m->all;
}

/* True when layers_to_transform (null, a number or a list) holds the layer. */
static bool has_layer(const json_t *layers, int layer)
{
    size_t i;
    json_t *item;
    if (!layers || json_is_null(layers))
        return true;
    if (json_is_integer(layers))
        return json_integer_value(layers) == layer;
    json_array_foreach(layers, i, item)
    {
        if (json_is_integer(item) && json_integer_value(item) == layer)
            return true;
    }
    return json_is_array(layers) && json_array_size(layers) == 0;
}

static cmat_status find_wanted(const cmat_model *m, const json_t *j, const char *what, bool *wanted,
                               unsigned *targets, cmat_error *err)
{
    matcher in = {0}, out = {0};
    cmat_status st =
        matcher_init(&in, json_object_get(j, "target_modules"), "target_modules", what, err);
    if (st == CMAT_OK)
        st =
            matcher_init(&out, json_object_get(j, "exclude_modules"), "exclude_modules", what, err);
    *targets = 0;
    for (int l = 0; st == CMAT_OK && l < m->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            char module[CMAT_MODULE_NAME_MAX];
            cmat_peft_module(module, m->config.arch, l, k);
            bool want = matcher_match(&in, module) && !matcher_match(&out, module) &&
                        has_layer(json_object_get(j, "layers_to_transform"), l);
            wanted[l * CMAT_N_LAYER_WEIGHTS + k] = want;
            *targets |= (unsigned)want << k;
        }
    if (st == CMAT_OK && !*targets)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: target_modules name no matrix of this model",
                       what);
    matcher_clear(&in);
    matcher_clear(&out);
    return st;
}

/* ---- the config file ---- */

/* True for null, false, 0, "", [] and {}: a feature that is off. */
static bool is_off(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_integer(v) && json_integer_value(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

/* Features of PEFT that change the result and that the engine does not have. */
static cmat_status check_features(const json_t *j, const char *what, cmat_error *err)
{
    static const char *const features[] = {"fan_in_fan_out",
                                           "modules_to_save",
                                           "lora_bias",
                                           "target_parameters",
                                           "use_qalora",
                                           "layer_replication",
                                           "trainable_token_indices",
                                           "alora_invocation_tokens",
                                           "megatron_config",
                                           "arrow_config",
                                           "monteclora_config",
                                           "velora_config",
                                           "kasa_config",
                                           "use_bdlora"};
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++)
        if (!is_off(json_object_get(j, features[i])))
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s: %s is not supported", what,
                             features[i]);
    const char *bias = cmat_json_str(j, "bias", "none");
    if (strcmp(bias, "none") != 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s: bias \"%.40s\" is not supported", what,
                         bias);
    return CMAT_OK;
}

/* rank_pattern and alpha_pattern give some modules another rank or alpha. */
static cmat_status check_pattern(const json_t *j, const char *key, double value, const char *what,
                                 cmat_error *err)
{
    const char *module;
    json_t *v;
    json_object_foreach(json_object_get(j, key), module, v)
    {
        if (!json_is_number(v) || json_number_value(v) != value)
            return cmat_fail(
                err, CMAT_ERR_UNSUPPORTED,
                "%s: %s gives %.60s a value other than %g: one for all modules is supported", what,
                key, module, value);
    }
    return CMAT_OK;
}

static cmat_status read_settings(const json_t *j, const char *what, cmat_lora_config *c,
                                 cmat_error *err)
{
    cmat_status st = check_features(j, what, err);
    if (st != CMAT_OK)
        return st;
    const json_t *r = json_object_get(j, "r"), *alpha = json_object_get(j, "lora_alpha");
    if (!json_is_integer(r) || json_integer_value(r) < 1 || json_integer_value(r) > INT32_MAX)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: r is not a rank", what);
    if (!json_is_number(alpha))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: lora_alpha is not a number", what);
    c->rank = (int)json_integer_value(r);
    c->alpha = (float)json_number_value(alpha);
    c->dropout = (float)cmat_json_num(j, "lora_dropout", 0);
    c->rslora = cmat_json_bool(j, "use_rslora", false);
    c->dora = cmat_json_bool(j, "use_dora", false);
    if ((st = check_pattern(j, "rank_pattern", c->rank, what, err)) != CMAT_OK)
        return st;
    return check_pattern(j, "alpha_pattern", json_number_value(alpha), what, err);
}

cmat_status cmat_peft_config_read(const cmat_model *m, const json_t *j, const char *what,
                                  cmat_lora_config *c, bool *wanted, cmat_error *err)
{
    cmat_status st = read_settings(j, what, c, err);
    return st == CMAT_OK ? find_wanted(m, j, what, wanted, &c->targets, err) : st;
}

/* ---- writing ---- */

/* A float as the shortest decimal that names it: 0.05f as 0.05. */
static json_t *json_float(float f)
{
    char text[32];
    if (f == floorf(f) && fabsf(f) < 1e9f)
        return json_integer((json_int_t)f);
    snprintf(text, sizeof text, "%.7g", (double)f);
    if (strtof(text, NULL) != f)
        return json_real((double)f);
    return json_real(strtod(text, NULL));
}

/* null when every layer is adapted, else the list of those that are. */
static json_t *json_layers(const cmat_adapter *a)
{
    json_t *list = json_array();
    for (int l = 0; l < a->model->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++)
            if (cmat_adapter_pair(a, l, k)->a) {
                json_array_append_new(list, json_integer(l));
                break;
            }
    if ((int)json_array_size(list) < a->model->config.n_layers)
        return list;
    json_decref(list);
    return json_null();
}

/* The end of a module's path that names it in every layer: "q_proj", or "attn.c_proj" where the
 * network has a c_proj too. */
static const char *module_suffix(const cmat_arch *arch, int weight, char path[CMAT_MODULE_NAME_MAX])
{
    const char *last;
    cmat_peft_module(path, arch, 0, weight);
    last = strrchr(path, '.') + 1;
    for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
        char other[CMAT_MODULE_NAME_MAX];
        cmat_peft_module(other, arch, 0, k);
        if (strcmp(other, path) != 0 && strcmp(strrchr(other, '.') + 1, last) == 0) {
            for (last--; last > path && last[-1] != '.';)
                last--;
            break;
        }
    }
    return last;
}

static json_t *json_targets(const cmat_adapter *a)
{
    const cmat_arch *arch = a->model->config.arch;
    json_t *list = json_array();
    char path[CMAT_MODULE_NAME_MAX];
    for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++)
        if (a->config.targets >> k & 1 && cmat_arch_module_size(arch, k))
            json_array_append_new(list, json_string(module_suffix(arch, k, path)));
    return list;
}

json_t *cmat_peft_config_make(const cmat_adapter *a, const char *base)
{
    return json_pack(
        "{s:n, s:s, s:s, s:n, s:b, s:b, s:b, s:n, s:o, s:o, s:o, s:n, s:s, s:i, s:{}, s:{}, s:n, "
        "s:o, s:s,"
        " s:b, s:b}",
        "auto_mapping", "base_model_name_or_path", base, "bias", "none", "exclude_modules",
        "fan_in_fan_out", 0, "inference_mode", 1, "init_lora_weights", 1, "layers_pattern",
        "layers_to_transform", json_layers(a), "lora_alpha", json_float(a->config.alpha),
        "lora_dropout", json_float(a->config.dropout), "modules_to_save", "peft_type", "LORA", "r",
        a->config.rank, "rank_pattern", "alpha_pattern", "revision", "target_modules",
        json_targets(a), "task_type", "CAUSAL_LM", "use_dora", (int)a->config.dora, "use_rslora",
        (int)a->config.rslora);
}
