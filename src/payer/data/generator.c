/* SPDX-License-Identifier: Apache-2.0 */
/* generator.c - people, their coverage, and who treats them; and the files all of it goes to. */
#include "payer/data/generator.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "base/file.h"
#include "payer/data/generator_text.h"

#define PATIENTS_A_LOOK 100   /* some milliseconds of work */
#define FIRST_DAY       18262 /* 2020-01-01 */
#define LAST_DAY        20392 /* 2025-10-31: what is stamped up to 60 days later is still in the past, whenever this runs */

enum { SEED_PATIENT = 1, SEED_FACILITY, SEED_PRACTITIONER };

static const char *const families[] = {
    "Abelard",      "Ashdown",     "Barrowby",  "Bellweather", "Birchgrove",   "Brightwater", "Calloway",
    "Cedarholm",    "Coppersmith", "Delacorte", "Dunmore",     "Eastlake",     "Elderwood",   "Fairbourne",
    "Fennimore",    "Garrowby",    "Goldfinch", "Greystone",   "Hartwell",     "Hazelton",    "Holloway",
    "Ironwood",     "Jessamine",   "Kestrel",   "Kingsley",    "Larkspur",     "Lindqvist",   "Marlowe",
    "Merriweather", "Nightingale", "Northcote", "Oakhurst",    "Osgood",       "Pemberton",   "Quillfeather",
    "Ravenscroft",  "Redfern",     "Rosewall",  "Sandoval",    "Silverton",    "Stonebridge", "Thistlewood",
    "Underhill",    "Valebrook",   "Wetherby",  "Whitlock",    "Winterbourne", "Yarrow"};
static const char *const women[] = {"Ada",    "Beatriz", "Clara",  "Dolores", "Edith", "Fatima", "Greta",
                                    "Helena", "Ingrid",  "Josefa", "Keiko",   "Lucia", "Mabel",  "Nadia",
                                    "Opal",   "Priya",   "Rosa",   "Selma",   "Thuy",  "Viola"};
static const char *const men[] = {"Albert", "Bruno", "Cyrus", "Dmitri", "Edgar",  "Felix",  "Gustav",
                                  "Hector", "Ivan",  "Jamal", "Kenji",  "Lionel", "Marcus", "Nikhil",
                                  "Oscar",  "Pedro", "Rufus", "Samuel", "Theo",   "Walter"};
static const char *const streets[] = {"Alder Lane",   "Birch Street", "Canal Road",    "Dogwood Avenue",
                                      "Elm Terrace",  "Foundry Way",  "Granite Court", "Harbor Drive",
                                      "Juniper Path", "Lakeview Road"};
/* Towns that are on no map, in states that are, with ZIP codes that the postal service does not use (000…). */
static const struct {
    const char *city, *state;
} towns[] = {{"Aldermere", "OH"}, {"Brackenford", "PA"},  {"Cinderhill", "MI"}, {"Dunwich Falls", "NY"},
             {"Eldergate", "TX"}, {"Foxholm", "FL"},      {"Greyport", "WA"},   {"Hollowbrook", "GA"},
             {"Ivyton", "IL"},    {"Juniper Flats", "AZ"}};
static const gen_code plans[] = {{"gold-ppo", "Gold Choice PPO"},
                                 {"silver-hmo", "Silver Care HMO"},
                                 {"bronze-hd", "Bronze High Deductible"},
                                 {"ma-plus", "Senior Advantage Plus"}};
static const gen_code specialties[] = {{"207Q00000X", "Family Medicine Physician"},
                                       {"207R00000X", "Internal Medicine Physician"},
                                       {"207RC0000X", "Cardiovascular Disease Physician"},
                                       {"208600000X", "Surgery Physician"},
                                       {"122300000X", "Dentist"},
                                       {"225100000X", "Physical Therapist"}};

/* Drawing and writing */

void gen_seed(gen *g, uint64_t kind, uint64_t index)
{
    g->state = (kind << 56) ^ (index * UINT64_C(0xD1342543DE82EF95)) ^ UINT64_C(0x5B1D0BA7);
}

static uint64_t next(gen *g) /* splitmix64 (Steele, Lea, Flood 2014): plain 64-bit arithmetic, the same everywhere */
{
    uint64_t z = (g->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t gen_below(gen *g, uint64_t bound)
{
    return next(g) % bound; /* the bias of so small bounds is nobody's concern here */
}

int64_t gen_between(gen *g, int64_t low, int64_t high)
{
    return low + (int64_t)gen_below(g, (uint64_t)(high - low) + 1);
}

void gen_put(gen *g, const char *fmt, ...)
{
    char piece[2048]; /* the longest template is under 1 KB */
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(piece, sizeof(piece), fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(piece)) {
        g->failed = true;
        return;
    }
    for (int i = 0; i < len; i++) {
        if (piece[i] == '\'')
            piece[i] = '"';
    }
    g->failed |= !sb_buf_add(&g->text, piece, (size_t)len);
}

const char *gen_date(int64_t day, char out[GEN_DATE_SIZE])
{
    time_t at = (time_t)(day * 86400);
    struct tm tm = {0};
    (void)gmtime_r(&at, &tm);
    (void)snprintf(out, GEN_DATE_SIZE, "%04u-%02u-%02u", (unsigned)(tm.tm_year + 1900) % 10000,
                   (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100);
    return out;
}

void gen_head(gen *g, const char *type, const char *id, const char *profile, int64_t updated_day)
{
    char date[GEN_DATE_SIZE];
    unsigned ms = (unsigned)gen_below(g, 86400000);
    gen_put(g, "{'resourceType':'%s','id':'%s','meta':{'lastUpdated':'%sT%02u:%02u:%02u.%03uZ','profile':['%s']},",
            type, id, gen_date(updated_day, date), ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000, profile);
}

/* Resources */

#define CARIN "http://hl7.org/fhir/us/carin-bb/StructureDefinition/"

/* C leaves open which argument is drawn first: so that every compiler makes the same people, no call has two draws. */
static void put_address(gen *g)
{
    size_t town = gen_below(g, SB_ARRAY_LEN(towns));
    unsigned house = (unsigned)gen_between(g, 1, 999);
    unsigned zip = (unsigned)gen_below(g, 100);
    gen_put(g, "'address':[{'line':['%u %s'],'city':'%s','state':'%s','postalCode':'000%02u','country':'US'}]", house,
            *gen_pick(g, streets), towns[town].city, towns[town].state, zip);
}

static const char *draw_given(gen *g, bool woman)
{
    return woman ? *gen_pick(g, women) : *gen_pick(g, men);
}

static void patient(gen *g, const char *id, uint64_t number)
{
    char date[GEN_DATE_SIZE];
    bool woman = gen_below(g, 2) == 0;
    gen_head(g, "Patient", id, CARIN "C4BB-Patient|2.1.0", gen_between(g, FIRST_DAY, LAST_DAY));
    gen_put(g,
            "'identifier':[{'type':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v2-0203','code':'MB',"
            "'display':'Member Number'}],'text':'Member Number'},'system':'https://payer.example/member-id',"
            "'value':'M%010llu'}],'active':true,",
            (unsigned long long)number);
    const char *family = *gen_pick(g, families), *given = draw_given(g, woman);
    gen_put(g, "'name':[{'use':'official','family':'%s','given':['%s']}],'gender':'%s','birthDate':'%s',", family,
            given, woman ? "female" : "male", gen_date(gen_between(g, -14610, 14610), date)); /* 1930 to 2010 */
    put_address(g);
    gen_put(g, "}\n");
}

static void coverage(gen *g, const char *member, uint64_t number)
{
    char id[32], start[GEN_DATE_SIZE];
    const gen_code *plan = gen_pick(g, plans);
    unsigned group = (unsigned)gen_below(g, 40);
    (void)snprintf(id, sizeof(id), "%s-cov", member);
    gen_head(g, "Coverage", id, CARIN "C4BB-Coverage|2.1.0", gen_between(g, FIRST_DAY, LAST_DAY));
    gen_put(g,
            "'status':'active','type':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v3-ActCode',"
            "'code':'HIP','display':'health insurance plan policy'}]},'subscriberId':'M%010llu',"
            "'beneficiary':{'reference':'Patient/%s'},'relationship':{'coding':[{'system':"
            "'http://terminology.hl7.org/CodeSystem/subscriber-relationship','code':'self'}]},'period':{'start':'%s'},"
            "'payor':[{'reference':'Organization/payer'}],",
            (unsigned long long)number, member, gen_date(FIRST_DAY - 31 * (int64_t)gen_below(g, 36), start));
    gen_put(g,
            "'class':[{'type':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/coverage-class',"
            "'code':'group'}]},'value':'G%04u','name':'Employer group %u'},{'type':{'coding':[{'system':"
            "'http://terminology.hl7.org/CodeSystem/coverage-class','code':'plan'}]},'value':'%s','name':'%s'}]}\n",
            group, group, plan->code, plan->display);
}

/* NPIs begin with 1 or 2: one that begins with 9 is nobody's. */
static void put_npi(gen *g)
{
    gen_put(
        g,
        "'identifier':[{'type':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v2-0203','code':'NPI'}]},"
        "'system':'http://hl7.org/fhir/sid/us-npi','value':'9%09u'}],'active':true,",
        (unsigned)gen_below(g, 1000000000));
}

static void organization(gen *g, unsigned index)
{
    static const char *const kinds[] = {"General Hospital", "Medical Center", "Community Hospital", "Surgery Center"};
    char id[32] = "payer", name[96] = "Smartbulk Sandbox Health Plan";
    gen_seed(g, SEED_FACILITY, index);
    size_t town = gen_below(g, SB_ARRAY_LEN(towns));
    if (index > GEN_FACILITIES) {
        (void)snprintf(id, sizeof(id), "ph%02u", index - GEN_FACILITIES);
        (void)snprintf(name, sizeof(name), "%s Pharmacy", towns[town].city);
    } else if (index > 0) {
        (void)snprintf(id, sizeof(id), "hosp%02u", index);
        (void)snprintf(name, sizeof(name), "%s %s", towns[town].city, *gen_pick(g, kinds));
    }
    gen_head(g, "Organization", id, CARIN "C4BB-Organization|2.1.0", FIRST_DAY + (int64_t)gen_below(g, 400));
    put_npi(g);
    gen_put(g,
            "'type':[{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/organization-type','code':'%s'}]}],"
            "'name':'%s',",
            index == 0 ? "pay" : "prov", name);
    put_address(g);
    gen_put(g, "}\n");
}

static void practitioner(gen *g, unsigned index)
{
    char id[32];
    gen_seed(g, SEED_PRACTITIONER, index);
    (void)snprintf(id, sizeof(id), "dr%02u", index);
    gen_head(g, "Practitioner", id, CARIN "C4BB-Practitioner|2.1.0", FIRST_DAY + (int64_t)gen_below(g, 400));
    put_npi(g);
    const gen_code *specialty = gen_pick(g, specialties);
    const char *family = *gen_pick(g, families);
    bool woman = gen_below(g, 2) == 0;
    gen_put(g,
            "'name':[{'family':'%s','given':['%s'],'prefix':['Dr.']}],'qualification':[{'code':{'coding':[{'system':"
            "'http://nucc.org/provider-taxonomy','code':'%s','display':'%s'}]}}]}\n",
            family, draw_given(g, woman), specialty->code, specialty->display);
}

/* Files */

#define FLUSH_BYTES ((size_t)256 * 1024) /* one write for about fifty claims */

typedef struct sink {
    const char *dir, *type;
    uint64_t limit, size;
    unsigned files;
    int fd;
    char *path;
    sb_buf text;
} sink;

static void sink_cleanup(sink *s)
{
    sb_fd_cleanup(&s->fd);
    sb_charp_cleanup(&s->path);
    sb_buf_cleanup(&s->text);
}

static sb_status sink_flush(sink *s, sb_error *err)
{
    if (s->text.len > 0)
        SB_TRY(sb_file_write_all(s->fd, s->path, sb_buf_str(&s->text), err));
    sb_buf_clear(&s->text);
    return SB_OK;
}

static sb_status sink_next_file(sink *s, sb_error *err)
{
    SB_TRY(sink_flush(s, err));
    sb_fd_cleanup(&s->fd);
    sb_charp_cleanup(&s->path);
    s->path = sb_printf("%s/%s.%03u.ndjson", s->dir, s->type, s->files);
    if (!s->path)
        return sb_error_nomem(err);
    if (unlink(s->path) != 0 && errno != ENOENT) /* its mode may be another: it is made anew */
        return sb_error_errno(err, "a file could not be replaced", s->path, errno);
    s->fd = open(s->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return sb_error_errno(err, "a file could not be created", s->path, errno);
    s->files++;
    s->size = 0;
    return SB_OK;
}

/* Hand the generated resource over to its file; the text is empty afterwards. */
static sb_status sink_take(sink *s, gen *g, sb_error *err)
{
    if (g->failed)
        return sb_error_nomem(err);
    if (s->fd < 0 || s->size + g->text.len > s->limit)
        SB_TRY(sink_next_file(s, err));
    if (!sb_buf_add_str(&s->text, sb_buf_str(&g->text)))
        return sb_error_nomem(err);
    s->size += g->text.len;
    sb_buf_clear(&g->text);
    return s->text.len < FLUSH_BYTES ? SB_OK : sink_flush(s, err);
}

enum { PATIENTS, COVERAGES, CLAIMS, ORGANIZATIONS, PRACTITIONERS, SINKS };

typedef struct world {
    gen g;
    sink sinks[SINKS];
} world;

static void world_cleanup(world *w)
{
    sb_buf_cleanup(&w->g.text);
    for (size_t i = 0; i < SINKS; i++)
        sink_cleanup(&w->sinks[i]);
}

static sb_status write_providers(world *w, sb_error *err)
{
    for (unsigned i = 0; i <= GEN_FACILITIES + GEN_PHARMACIES; i++) {
        organization(&w->g, i);
        SB_TRY(sink_take(&w->sinks[ORGANIZATIONS], &w->g, err));
    }
    for (unsigned i = 1; i <= GEN_PRACTITIONERS; i++) {
        practitioner(&w->g, i);
        SB_TRY(sink_take(&w->sinks[PRACTITIONERS], &w->g, err));
    }
    return SB_OK;
}

static sb_status write_person(world *w, uint64_t number, sb_error *err)
{
    char id[24];
    (void)snprintf(id, sizeof(id), "p%08llu", (unsigned long long)number);
    gen_seed(&w->g, SEED_PATIENT, number);
    patient(&w->g, id, number);
    SB_TRY(sink_take(&w->sinks[PATIENTS], &w->g, err));
    coverage(&w->g, id, number);
    SB_TRY(sink_take(&w->sinks[COVERAGES], &w->g, err));
    unsigned claims = (unsigned)gen_between(&w->g, 6, 14);
    for (unsigned i = 1; i <= claims; i++) {
        gen_claim(&w->g, id, i, FIRST_DAY, LAST_DAY);
        SB_TRY(sink_take(&w->sinks[CLAIMS], &w->g, err));
    }
    return SB_OK;
}

static sb_status write_people(world *w, uint64_t patients, bool (*cancelled)(void *impl), void *impl, sb_error *err)
{
    for (uint64_t i = 1; i <= patients; i++) {
        if (cancelled && i % PATIENTS_A_LOOK == 0 && cancelled(impl))
            return sb_error_set(err, SB_E_INTERRUPTED, "the data was not made", "it was interrupted", "start again");
        SB_TRY(write_person(w, i, err));
    }
    return SB_OK;
}

sb_status sb_generator_write_unless(const char *dir, uint64_t patients, uint64_t file_bytes,
                                    bool (*cancelled)(void *impl), void *impl, sb_error *err)
{
    static const char *const types[SINKS] = {"Patient", "Coverage", "ExplanationOfBenefit", "Organization",
                                             "Practitioner"};
    if (patients == 0 || patients > SB_GENERATOR_PATIENTS_MAX)
        return sb_error_set(err, SB_E_USAGE, "the number of patients cannot be used", "%llu is not between 1 and %d",
                            "choose another number", (unsigned long long)patients, SB_GENERATOR_PATIENTS_MAX);
    SB_TRY(sb_dir_make(dir, 0700, err));
    SB_AUTO(world) w = {.g = {.text = SB_BUF_INIT}};
    for (size_t i = 0; i < SINKS; i++)
        w.sinks[i] =
            (sink){.dir = dir, .type = types[i], .limit = file_bytes ? file_bytes : SB_GENERATOR_FILE_BYTES, .fd = -1};
    SB_TRY(write_providers(&w, err));
    SB_TRY(write_people(&w, patients, cancelled, impl, err));
    for (size_t i = 0; i < SINKS; i++)
        SB_TRY(sink_flush(&w.sinks[i], err));
    return SB_OK;
}

sb_status sb_generator_write(const char *dir, uint64_t patients, uint64_t file_bytes, sb_error *err)
{
    return sb_generator_write_unless(dir, patients, file_bytes, NULL, NULL, err);
}
