"""What a password is called in the world's languages, as one pattern over UTF-8: in every case and normal form.

`(?i)` folds ASCII letters only, since patterns see bytes: other letters are written out, small and capital, as one
character and as a letter with its mark (normal forms C and D). A space in a name may also be `_`, `-`, `.` or nothing.
"""

import unicodedata
from typing import Final

_ASCII: Final = (
    "pass(?:word|wd|phrase|code|wort|ord)|passwd|pwd|"
    "contrase(?:n|nh)a|contrasenya|contrasinal|senha|kennwort|losungswort|wachtwoord|wachtzin|wagwoord|"
    "adgangskode|kodeord|salasana|parool|haslo|lozinka|zaporka|jelszo|sifre|pasvorto|pasahitza|pasfhocal|"
    "cyfrinair|fjalekalim|nenosiri|lykilord"
)
"""Words without marks; also those that are often written so."""

_OTHER_WORDS: Final = """
contraseña, clave de acceso, clave secreta, palabra de paso, mot de passe, mots de passe,
phrase de passe, phrase secrète, code d’accès, code d'accès, palavra passe, palavra chave
secreta, frase passe, parola d'ordine, parola d’ordine, frase segreta, parola de acces,
parolă, parola, parole, lösenord, lösen, adgangsord, lykilorð, aðgangsorð, lykliorð, hasło,
heslo, geslo, přístupový kód, slaptažodis, пароль, парола, лозинка, кодовое слово, секретное
слово, salasõna, jelszó, şifre, şİfre, şifrə, parol, fjalëkalim, fjalëkalimi, mật khẩu, kata
sandi, kata laluan, κωδικός πρόσβασης, κωδικός, συνθηματικό, құпиясөз, нууц үг, პაროლი,
գաղտնաբառ, كلمة المرور, كلمة السر, كلمة مرور, الرقم السري, סיסמה, סיסמא, סיסמת, رمز عبور,
گذرواژه, کلمه عبور, پاس ورڈ, पासवर्ड, कूटशब्द, পাসওয়ার্ড, รหัสผ่าน, கடவுச்சொல், 密码, 密碼, 口令,
通行码, 通行碼, パスワード, パスフレーズ, パスコード, 暗証番号, 合言葉, 비밀번호, 패스워드, 암호
"""  # noqa: RUF001  # other scripts are the point
"""By families: Romance; Germanic; Slavic and Baltic; others with Latin, Cyrillic, Greek, Georgian and Armenian letters;
Semitic, Iranian, Indian and Thai; East Asian. Separated by commas."""

_BETWEEN: Final = r"(?:[ _.-]|\xc2\xa0|%20)?"
_APOSTROPHES: Final = "(?:'|\u2019)"


def _in_all_forms(word: str) -> str:
    return "".join(_forms_of(character) for character in unicodedata.normalize("NFC", word))


def _forms_of(character: str) -> str:
    """A pattern for one character: capital and small, composed, decomposed and without its marks."""
    if character == " ":
        return _BETWEEN
    if character in "'\u2019":
        return _APOSTROPHES
    if character.isascii():
        return character
    cases = {case for case in (character, character.lower(), character.upper()) if len(case) == 1}
    forms = {unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")}
    # Capitals often lose their marks, and so do words typed on a foreign keyboard.
    forms |= {form[0] for form in forms if len(form) > 1 and all(map(unicodedata.combining, form[1:]))}
    return f"(?:{'|'.join(sorted(forms))})" if len(forms) > 1 else character


# Longer words first: of two that begin alike, the first one that fits is taken.
_SORTED: Final = sorted((" ".join(word.split()) for word in _OTHER_WORDS.split(",")), key=len, reverse=True)
PASSWORD_WORDS: Final = "|".join((_ASCII, *map(_in_all_forms, _SORTED)))
